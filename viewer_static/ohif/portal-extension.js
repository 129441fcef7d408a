// OHIF's extension of the portal's own: an ES module, which OHIF imports before it starts.

// OHIF opens a segmentation at its first slice, often a few pixels at the top of the head. Its largest one says more.
function openAtLargestSlice({ segDisplaySet }) {
  let most = 0;
  for (const { voxelManager, referencedImageId } of segDisplaySet?.images ?? []) {
    const voxels = voxelManager?.getScalarData().reduce((count, label) => count + (label !== 0), 0) ?? 0;
    if (voxels > most) {
      most = voxels;
      segDisplaySet.firstSegmentedSliceImageId = referencedImageId;
    }
  }
}

// In a window of its own, work in the images keeps its user signed in. Inside a page, the page's own script sees to that.
const TELL_SECONDS = 60;
let toldAt = Date.now();

function tellOfWork() {
  if (Date.now() - toldAt < TELL_SECONDS * 1000) return;
  toldAt = Date.now();
  const token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? '';
  fetch('/session/', { method: 'POST', headers: { 'X-CSRFToken': token } }).catch(() => {
    toldAt = 0; // the portal is away: the next sign of work tells it
  });
}

if (globalThis.parent === globalThis) {
  for (const sign of ['keydown', 'pointerdown', 'wheel']) {
    window.addEventListener(sign, tellOfWork, { capture: true, passive: true });
  }
}

// A form beside the viewer asks for a drawing and is told what was drawn: see askForDrawing in js/form.js.
const TOOLS = {
  point: 'Probe',
  length: 'Length',
  bidirectional: 'Bidirectional',
  angle: 'Angle',
  box: 'RectangleROI',
  circle: 'CircleROI',
  ellipse: 'EllipticalROI',
  polygon: 'PlanarFreehandROI',
};
// OHIF's points are all four corners of a box, and a circle's centre with several points of it.
const KEPT_POINTS = { box: [0, 3], circle: [0, 1] };
const dot = (one, other) => one.reduce((sum, value, axis) => sum + value * other[axis], 0);

// [column, row] in pixels of a point in patient coordinates; 0, 0 is the upper left corner of the upper left pixel.
// Not cornerstone's worldToImageCoords, which (5.6.8) takes the spacing of rows for that of columns.
function pixelOf(point, imageId) {
  const plane = window.cornerstone.metaData.get('imagePlaneModule', imageId);
  const from = point.map((value, axis) => value - plane.imagePositionPatient[axis]);
  return [
    dot(from, plane.rowCosines) / (plane.columnPixelSpacing || 1) + 0.5,
    dot(from, plane.columnCosines) / (plane.rowPixelSpacing || 1) + 0.5,
  ];
}

function drawingOf({ toolName, points, SOPInstanceUID, referencedImageId, metadata, frameNumber, label }) {
  const type = Object.keys(TOOLS).find(name => TOOLS[name] === toolName);
  const imageId = referencedImageId ?? metadata?.referencedImageId;
  if (!type || !imageId || !points?.length) {
    return null;
  }
  const kept = KEPT_POINTS[type]?.map(place => points[place]) ?? points;
  const frame = frameNumber > 1 ? { ReferencedFrameNumber: frameNumber } : {};
  const named = label ? { label: label.slice(0, 100) } : {};
  return { type, SOPInstanceUID, ...named, ...frame, points: kept.map(point => pixelOf([...point], imageId)) };
}

function serveForm(commandsManager, measurementService) {
  const tell = ({ measurement }) => {
    const drawing = drawingOf(measurement);
    if (drawing) {
      window.parent.postMessage({ overread: 'drawn', drawing }, window.location.origin);
    }
  };
  const take = ({ origin, source, data }) => {
    if (origin === window.location.origin && source === window.parent && data?.overread === 'draw') {
      commandsManager.runCommand('setToolActiveToolbar', { toolName: TOOLS[data.drawings[0]] });
    }
  };
  const { MEASUREMENT_ADDED, MEASUREMENT_UPDATED } = measurementService.EVENTS;
  const heard = [MEASUREMENT_ADDED, MEASUREMENT_UPDATED].map(event => measurementService.subscribe(event, tell));
  window.addEventListener('message', take);
  return () => {
    heard.forEach(({ unsubscribe }) => unsubscribe());
    window.removeEventListener('message', take);
  };
}

let stopServing = () => {};

export default {
  id: 'overread',
  onModeEnter({ servicesManager, commandsManager }) {
    const { segmentationService, measurementService } = servicesManager.services;
    stopServing = serveForm(commandsManager, measurementService);
    // The anatomy has to be judged through the overlay; OHIF's own half-opaque fill hides it.
    segmentationService.setStyle({ type: 'Labelmap' }, { fillAlpha: 0.2, fillAlphaInactive: 0.2 });
    segmentationService.subscribe(segmentationService.EVENTS.SEGMENTATION_LOADING_COMPLETE, openAtLargestSlice);
  },
  onModeExit() {
    stopServing();
  },
};
