// A form beside the viewer asks for a drawing and is told what was drawn: see askForDrawing in js/form.js.

import { isMark } from './marks.js';

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

export function serveForm(commandsManager, measurementService) {
  const tell = ({ measurement }) => {
    const drawing = isMark(measurement) ? null : drawingOf(measurement);
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
