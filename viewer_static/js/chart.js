// Draws each measurement over the patient's exams: [data-chart] names the JSON that it shows. The table beside it
// holds the same values as text.

const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const DAY = 24 * 3600 * 1000;

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const inWords = (value) => (Math.abs(value) < 10 ? small : number).format(value).replaceAll(",", "\u202f");
const percent = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(1)}\u202f%`;

function describe(point, unit) {
  const change = point.percent === null ? "" : `\n${percent(point.percent)} since baseline`;
  return `${point.date}\n${inWords(point.value)} ${unit}${change}`;
}

function dot(point) {
  const fill = point.flagged ? colour("--waits") : colour("--accent");
  return {
    value: [point.date, point.value],
    point,
    symbolSize: point.viewed ? 13 : 8,
    itemStyle: { color: fill, borderColor: point.viewed ? colour("--text") : fill, borderWidth: point.viewed ? 2 : 0 },
    cursor: point.viewed ? "default" : "pointer",
  };
}

// The values that have to be in sight: all points, and the band when there is one.
function extent(chart) {
  const values = chart.points.map((point) => point.value).concat(chart.band ?? []);
  const low = Math.min(...values), high = Math.max(...values);
  const margin = (high - low || Math.abs(high) || 1) * 0.12;
  return { min: low - margin, max: high + margin };
}

function threshold(chart) {
  if (!chart.band) return {};
  const [low, high] = chart.band;
  return {
    markArea: {
      silent: true,
      itemStyle: { color: colour("--accent"), opacity: 0.09 },
      data: [[{ yAxis: low }, { yAxis: high }]],
    },
    markLine: {
      silent: true,
      symbol: "none",
      label: { color: colour("--quiet"), opacity: 1, fontSize: 11, position: "end", formatter: "{b}" },
      data: [
        { yAxis: high, name: `+${chart.threshold}\u202f%`, lineStyle: { color: colour("--waits"), opacity: 0.6 } },
        { yAxis: chart.baseline, name: "baseline", lineStyle: { color: colour("--quiet"), opacity: 0.5 } },
        {
          yAxis: low,
          name: `\u2212${chart.threshold}\u202f%`,
          lineStyle: { color: colour("--waits"), opacity: 0.6 },
        },
      ],
    },
  };
}

function options(chart) {
  const text = { color: colour("--quiet"), fontSize: 11 };
  const { min, max } = extent(chart);
  const dates = chart.points.map((point) => Date.parse(point.date));
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 4, right: chart.band ? 56 : 20, top: 8, bottom: 4, containLabel: true },
    xAxis: {
      type: "time",
      minInterval: DAY,
      boundaryGap: ["5%", "5%"],
      axisLabel: { ...text, hideOverlap: true, customValues: dates, formatter: "{yyyy}-{MM}" },
      axisTick: { customValues: dates },
      axisLine: { lineStyle: { color: colour("--line-strong") } },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      min,
      max,
      splitNumber: 3,
      axisLabel: { ...text, showMinLabel: false, showMaxLabel: false, formatter: inWordsShort },
      splitLine: { lineStyle: { color: colour("--line") } },
    },
    // HTML tooltips carry style attributes, which the content security policy forbids.
    tooltip: {
      trigger: "item",
      renderMode: "richText",
      confine: true,
      backgroundColor: colour("--raised"),
      borderColor: colour("--line-strong"),
      textStyle: { color: colour("--text"), fontSize: 12 },
      formatter: ({ data }) => describe(data.point, chart.unit),
    },
    series: [
      {
        type: "line",
        name: chart.name,
        symbol: "circle",
        lineStyle: { color: colour("--accent"), width: 2 },
        data: chart.points.map(dot),
        ...threshold(chart),
      },
    ],
  };
}

const inWordsShort = (value) => (Math.abs(value) < 10 ? small.format(value) : String(Math.round(value)));

function draw(element) {
  const chart = JSON.parse(document.getElementById(element.dataset.chart).textContent);
  const drawn = window.echarts.init(element, null, { renderer: "canvas" });
  drawn.setOption(options(chart));
  drawn.on("click", ({ data }) => {
    if (data?.point && !data.point.viewed) window.location.assign(data.point.url);
  });
  new ResizeObserver(() => drawn.resize()).observe(element);
}

document.querySelectorAll("[data-chart]").forEach(draw);
