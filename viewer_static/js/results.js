// Draws a study's numbers: [data-results-chart] names the JSON that it shows. The table beside each chart says the
// same, so charts are pictures to whoever hears the page. Kinds are told apart by shape and dashes, not by colour.

const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const ROW = 34; // pixels
const DASHES = ["solid", "dashed", "dotted", [10, 3, 2, 3], [2, 6]];
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "emptyCircle", "emptyRect", "emptyTriangle", "emptyDiamond"];
const COLOURS = ["--accent", "--text", "--waits", "--quiet"];

const text = () => ({ color: colour("--quiet"), fontSize: 12 });
const line = () => ({ lineStyle: { color: colour("--line") } });
const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

function inWords(value, unit) {
  if (unit === "s") return duration(value);
  return small.format(value).replace("-", "\u2212");
}

function duration(seconds) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (Math.abs(seconds) >= 2 * size) return `${small.format(seconds / size)} ${unit}`;
  }
  return `${small.format(seconds)} s`;
}

// HTML tooltips carry style attributes, which the content security policy forbids.
const tooltip = (formatter) => ({
  renderMode: "richText",
  confine: true,
  backgroundColor: colour("--raised"),
  borderColor: colour("--line-strong"),
  textStyle: { color: colour("--text"), fontSize: 12 },
  formatter,
});

const shared = () => ({
  animation: false,
  textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
});

function valueAxis(name, unit, extra = {}) {
  return {
    type: "value",
    scale: true,
    name,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: text(),
    axisLabel: { ...text(), hideOverlap: true, formatter: (value) => inWords(value, unit) },
    axisLine: { show: true, lineStyle: { color: colour("--line-strong") } },
    splitLine: line(),
    ...extra,
  };
}

function rowsAxis(rows) {
  return {
    type: "category",
    inverse: true,
    data: rows.map((row) => row.label),
    axisLabel: { ...text(), color: colour("--text"), width: 210, overflow: "break", lineHeight: 14, interval: 0 },
    axisTick: { show: false },
    axisLine: { lineStyle: { color: colour("--line-strong") } },
  };
}

const named = (title, unit) => (unit && unit !== "s" ? `${title} (${unit})` : title);

const stroke = (from, to, width = 2) => ({
  type: "line",
  shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
  style: { stroke: colour("--text"), lineWidth: width },
});

// A square for all together, a circle for one reader; whiskers to both ends of the interval.
function interval(rows) {
  return (params, api) => {
    const row = rows[params.dataIndex];
    const [x, y] = api.coord([row.value, params.dataIndex]);
    const [low] = api.coord([row.low, params.dataIndex]);
    const [high] = api.coord([row.high, params.dataIndex]);
    const mark = row.pooled
      ? { type: "rect", shape: { x: x - 6, y: y - 6, width: 12, height: 12 } }
      : { type: "circle", shape: { cx: x, cy: y, r: 5 } };
    return {
      type: "group",
      children: [
        stroke([low, y], [high, y]),
        stroke([low, y - 5], [low, y + 5]),
        stroke([high, y - 5], [high, y + 5]),
        { ...mark, style: { fill: row.pooled ? colour("--accent") : colour("--surface"), stroke: colour("--accent"), lineWidth: 2 } },
      ],
    };
  };
}

// The box reaches from quartile to quartile, the bar in it is the median, the whiskers are the shortest and longest.
function box(rows) {
  return (params, api) => {
    const row = rows[params.dataIndex];
    const at = (value) => api.coord([value, params.dataIndex])[0];
    const y = api.coord([0, params.dataIndex])[1];
    return {
      type: "group",
      children: [
        stroke([at(row.shortest), y], [at(row.longest), y], 1),
        stroke([at(row.shortest), y - 4], [at(row.shortest), y + 4], 1),
        stroke([at(row.longest), y - 4], [at(row.longest), y + 4], 1),
        {
          type: "rect",
          shape: { x: at(row.lower), y: y - 8, width: Math.max(1, at(row.upper) - at(row.lower)), height: 16 },
          style: { fill: colour("--accent-dim"), stroke: colour("--accent"), lineWidth: 1.5 },
        },
        stroke([at(row.value), y - 8], [at(row.value), y + 8], 3),
      ],
    };
  };
}

function rowsChart(chart, draw, axis) {
  return {
    ...shared(),
    grid: { left: 8, right: 24, top: 8, bottom: 34, containLabel: true },
    xAxis: axis,
    yAxis: rowsAxis(chart.rows),
    tooltip: { trigger: "item", ...tooltip(({ dataIndex }) => `${chart.rows[dataIndex].label}\n${chart.rows[dataIndex].text}`) },
    series: [{ type: "custom", renderItem: draw(chart.rows), data: chart.rows.map((row, at) => [row.value, at]), encode: { x: 0, y: 1 } }],
  };
}

function extent(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return { min: low - margin, max: high + margin };
}

const CHARTS = {
  forest: (chart) => {
    const range = chart.domain
      ? { min: chart.domain[0], max: chart.domain[1] }
      : extent(chart.rows.flatMap((row) => [row.low, row.high]));
    return rowsChart(chart, interval, valueAxis(named(chart.title, chart.unit), chart.unit, range));
  },
  times: (chart) => {
    const longest = Math.max(...chart.rows.map((row) => row.longest));
    return rowsChart(chart, box, valueAxis(named(chart.title, chart.unit), chart.unit, { min: 0, max: longest * 1.05 }));
  },
  roc: (chart) => ({
    ...shared(),
    grid: { left: 28, right: 16, top: 12 + 22 * chart.series.length, bottom: 34, containLabel: true },
    legend: {
      orient: "vertical",
      left: 28,
      top: 0,
      itemWidth: 42,
      itemHeight: 10,
      textStyle: { ...text(), color: colour("--text") },
      formatter: (name) => `${name}: ${chart.series.find((one) => one.label === name).text}`,
      data: chart.series.map((one) => one.label),
    },
    xAxis: valueAxis("1 \u2212 specificity", "", { min: 0, max: 1 }),
    yAxis: valueAxis("Sensitivity", "", { min: 0, max: 1, nameGap: 34 }),
    tooltip: { trigger: "item", ...tooltip(({ seriesName, value }) => `${seriesName}\n1 \u2212 specificity ${small.format(value[0])}, sensitivity ${small.format(value[1])}`) },
    series: [
      ...chart.series.map((one, at) => ({
        type: "line",
        name: one.label,
        data: one.points,
        symbol: SYMBOLS[at % SYMBOLS.length],
        symbolSize: 7,
        showAllSymbol: one.points.length < 40,
        showSymbol: one.points.length < 40,
        lineStyle: { type: DASHES[at % DASHES.length], width: 2, color: colour(COLOURS[at % COLOURS.length]) },
        itemStyle: { color: colour(COLOURS[at % COLOURS.length]) },
      })),
      { type: "line", silent: true, symbol: "none", data: [[0, 0], [1, 1]], lineStyle: { color: colour("--line-strong"), width: 1 } },
    ],
  }),
  differences: (chart) => ({
    ...shared(),
    grid: { left: 28, right: 16, top: 16, bottom: 34, containLabel: true },
    xAxis: valueAxis(named("Mean of both", chart.unit), chart.unit),
    yAxis: valueAxis(named("Difference", chart.unit), chart.unit, {
      nameGap: 40,
      axisLabel: { ...text(), showMinLabel: false, showMaxLabel: false, formatter: (value) => inWords(value, chart.unit) },
      ...extent([...chart.points.map((point) => point[1]), ...chart.marks.map((mark) => mark.value)]),
    }),
    tooltip: { trigger: "item", ...tooltip(({ value }) => `mean ${inWords(value[0], chart.unit)} ${chart.unit}, difference ${inWords(value[1], chart.unit)} ${chart.unit}`) },
    series: [
      {
        type: "scatter",
        symbol: "circle",
        symbolSize: 8,
        data: chart.points,
        itemStyle: { color: "transparent", borderColor: colour("--accent"), borderWidth: 1.5 },
        markLine: {
          silent: true,
          symbol: "none",
          label: { color: colour("--text"), fontSize: 12, position: "insideEndTop", formatter: "{b}" },
          data: chart.marks.map((mark, at) => ({
            yAxis: mark.value,
            name: mark.label,
            lineStyle: { color: colour("--text"), type: at === 0 ? "solid" : "dashed", width: 1.5 },
          })),
        },
      },
    ],
  }),
};

const height = (chart) => (chart.rows ? 56 + ROW * chart.rows.length : 300 + 22 * (chart.series?.length ?? 0));

function draw(element) {
  const chart = JSON.parse(document.getElementById(element.dataset.resultsChart).textContent);
  element.style.height = `${height(chart)}px`;
  const drawn = window.echarts.init(element, null, { renderer: "canvas" });
  drawn.setOption(CHARTS[chart.kind](chart));
  new ResizeObserver(() => drawn.resize()).observe(element);
}

document.querySelectorAll("[data-results-chart]").forEach(draw);
