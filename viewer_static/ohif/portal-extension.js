// OHIF's extension of the portal's own: an ES module, which OHIF imports before it starts.

import { serveReports } from './portal-measurements.js';

// A plain loop: the labels of a whole series are ten million and more.
function drawnIn(labels) {
  let count = 0;
  for (let at = 0; at < labels.length; at++) if (labels[at] !== 0) count++;
  return count;
}

// OHIF opens a segmentation at its first slice, often a few pixels at the top of the head. Its largest one says more.
function openAtLargestSlice({ segDisplaySet }) {
  let most = 0;
  for (const { voxelManager, referencedImageId } of segDisplaySet?.images ?? []) {
    const voxels = drawnIn(voxelManager?.getScalarData() ?? []);
    if (voxels > most) {
      most = voxels;
      segDisplaySet.firstSegmentedSliceImageId = referencedImageId;
    }
  }
}

// OHIF puts a segmentation's viewport in the place of the image's, which may still be drawing. That throws, nothing is
// lost by it, and OHIF would cover a corner of the images with "Something went wrong".
function keepQuiet(event) {
  const { message = '' } = event.error ?? event.reason ?? {};
  if (/viewport has been destroyed/i.test(message)) event.stopImmediatePropagation();
}

window.addEventListener('error', keepQuiet);
window.addEventListener('unhandledrejection', keepQuiet);

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

// The page around a read is told that the viewer is there and when images are, and may ask for the images of another
// read: the viewer stays, which takes a quarter of the time that loading it anew would.
function servePage(commandsManager) {
  const tell = said => window.parent.postMessage(said, window.location.origin);
  const { pathname, search } = window.location;
  const root = new URLSearchParams(search).get('dicomweb') ?? '/dicomweb';
  const tellOfImages = ({ detail }) => {
    const viewport = window.cornerstone.getRenderingEngine(detail.renderingEngineId)?.getViewport(detail.viewportId);
    if (!viewport?.getCurrentImageId?.()?.includes(`${root}/`)) return;
    document.removeEventListener(RENDERED, tellOfImages, { capture: true });
    tell({ overread: 'shown', address: pathname + search });
  };
  const go = ({ origin, source, data }) => {
    if (origin === window.location.origin && source === window.parent && data?.overread === 'go') {
      const isSameMode = new URL(data.address, window.location.origin).pathname === pathname;
      // From the editor to the viewer OHIF 3.13.2 leaves segmentations without their overlay.
      if (!isSameMode) window.location.replace(data.address);
      else commandsManager.runCommand('navigateHistory', { to: data.address, options: { replace: true } });
    }
  };
  document.addEventListener(RENDERED, tellOfImages, { capture: true });
  window.addEventListener('message', go);
  tell({ overread: 'ready' });
  return () => {
    document.removeEventListener(RENDERED, tellOfImages, { capture: true });
    window.removeEventListener('message', go);
    // What one read showed is not kept for the next.
    window.cornerstone.cache.purgeCache();
  };
}

let stopServing = () => {};
let stopServingPage = () => {};
let stopServingReports = () => {};

// A read that compares findings: each over the same images, beside the others. The read's DICOMweb root calls them A, B
// and so on in their descriptions, and the place follows from that alone. app-config.js writes the letter on the picture.
const SIDE_BY_SIDE = 'overread-side-by-side';
const DRAWN_ON = 'overreadIsDrawnOn';
const OF_FINDING = 'finding-';
const RENDERED = 'CORNERSTONE_IMAGE_RENDERED';

const isFinding = ({ Modality, SeriesDescription = '' }) => Modality === 'SEG' && SeriesDescription.startsWith('Finding ');

// Whether a display set is the one that the findings lie on. The hanging protocol passes all others along.
const isDrawnOn = ({ displaySetInstanceUID }, { displaySets = [] } = {}) =>
  displaySets.some(one => isFinding(one) && one.referencedDisplaySetInstanceUID === displaySetInstanceUID);

const placeOf = letter => ({
  viewportOptions: {
    viewportId: OF_FINDING + letter,
    toolGroupId: 'default',
    viewportType: 'stack',
    // Not where one of the findings is largest: that would favour it.
    initialImageOptions: { preset: 'middle' },
    syncGroups: ['imageSlice', 'zoompan'].map(type => ({ type, id: SIDE_BY_SIDE, source: true, target: true })),
  },
  displaySets: [{ id: 'images' }],
});

const sideBySide = count => {
  const letters = [...'ABCDEFGHI'].slice(0, count);
  const columns = count <= 3 ? count : Math.ceil(Math.sqrt(count));
  const images = { seriesMatchingRules: [{ attribute: DRAWN_ON, required: true, constraint: { equals: { value: true } } }] };
  return {
    id: `${SIDE_BY_SIDE}-${count}`,
    name: `${count} findings side by side`,
    protocolMatchingRules: [],
    toolGroupIds: ['default'],
    displaySetSelectors: { images },
    stages: [
      {
        name: letters.join(', '),
        viewportStructure: { layoutType: 'grid', properties: { rows: Math.ceil(count / columns), columns } },
        viewports: letters.map(placeOf),
      },
    ],
  };
};

// Lay the finding of each place over its images once these are there.
function layOn({ cornerstoneViewportService, displaySetService, segmentationService }) {
  return async ({ viewportId }) => {
    if (!viewportId.startsWith(OF_FINDING)) return;
    const name = `Finding ${viewportId.slice(OF_FINDING.length)} `;
    const finding = displaySetService.getActiveDisplaySets().find(one => isFinding(one) && one.SeriesDescription.startsWith(name));
    if (!finding) return;
    const segmentationId = finding.displaySetInstanceUID;
    await finding.load({ headers: {} });
    if (segmentationService.getSegmentationRepresentations(viewportId, { segmentationId }).length > 0) return;
    const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
    await segmentationService.addSegmentationRepresentation(viewportId, { segmentationId, type: 'Labelmap' });
    await seeToColours(viewport, segmentationId, segmentationService);
  };
}

// Where two overlays are made at once, OHIF 3.13.2 now and then leaves one without its colours, and black. Being told its
// colour again it draws it. It need not draw anything in between, so there is no event to wait for.
const LOOK_AGAIN_MS = 100;
const LOOKS = 100;
const hasColours = ({ actor }) => actor.getProperty().getUseLabelOutline();

export async function seeToColours(viewport, segmentationId, segmentationService) {
  for (let look = 0; look < LOOKS; look++) {
    await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS));
    const overlays = viewport.getActors().filter(({ representationUID }) => representationUID?.startsWith?.(segmentationId));
    if (overlays.length === 0) continue;
    if (overlays.every(hasColours)) return;
    const first = segmentationService.getSegmentColor(viewport.id, segmentationId, 1);
    segmentationService.setSegmentColor(viewport.id, segmentationId, 1, first);
  }
}

// OHIF remembers overlays by the images below them; here each place has its own.
function rememberByPlace({ viewportGridService }) {
  const kind = 'segmentationPresentationId';
  const usual = viewportGridService.presentationIdProviders.get(kind);
  viewportGridService.addPresentationIdProvider(kind, (id, about) => {
    const place = about.viewport?.viewportOptions?.viewportId ?? '';
    return id === kind && place.startsWith(OF_FINDING) ? place : usual?.(id, about);
  });
}

// Saving a corrected segmentation: the page beside the viewer asks for it, and is told how it went. js/correction.js
const SIGNED_OUT = 'You are signed out, so it was not saved. Sign in again in another tab, and save again.';
const AWAY = 'The portal cannot be reached, so it was not saved. Save again in a moment.';
const NOTHING_DRAWN = 'Nothing is drawn, and an empty mask cannot be saved. If nothing should be drawn, press "No lesion" on the page.';

// OHIF's own requests carry no token against forged ones, and it drops what the portal answers.
export class SignedRequest extends XMLHttpRequest {
  constructor(opened) {
    super();
    this.opened = opened;
  }

  open(...how) {
    super.open(...how);
    this.setRequestHeader('X-CSRFToken', /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? '');
    if (this.opened) this.setRequestHeader('X-Overread-Opened', this.opened);
  }
}

export function refusalOf(request) {
  if (request.status === 0) return AWAY;
  if (request.status === 401) return SIGNED_OUT;
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `The portal failed to save it (error ${request.status}). Save again in a moment.`;
  }
}

const isDrawn = ({ representationData }) =>
  (representationData?.Labelmap?.imageIds ?? []).some(id => window.cornerstone.cache.getImage(id)?.getPixelData().some(label => label !== 0));

// What is wrong, in words; '' once it is saved.
async function saveSegmentation({ extensionManager, commandsManager, servicesManager }, opened = '') {
  const { segmentationService, viewportGridService } = servicesManager.services;
  const active = segmentationService.getActiveSegmentation(viewportGridService.getActiveViewportId());
  const segmentation = active ?? segmentationService.getSegmentations()[0];
  if (!segmentation) return 'The segmentation is still being loaded. Save again in a moment.';
  if (!isDrawn(segmentation)) return NOTHING_DRAWN;
  const request = new SignedRequest(opened);
  try {
    const options = { SeriesDescription: 'Correction' };
    const { dataset } = commandsManager.runCommand('generateSegmentation', { segmentationId: segmentation.segmentationId, options });
    await extensionManager.getActiveDataSource()[0].store.dicom(dataset, request);
  } catch (fault) {
    return request.readyState === XMLHttpRequest.UNSENT ? `The viewer could not put it together (${fault.message}).` : refusalOf(request);
  }
  return '';
}

function serveCorrection(managers) {
  const { commandsManager, servicesManager } = managers;
  const { segmentationService, uiNotificationService } = servicesManager.services;
  const tell = message => window.parent.postMessage(message, window.location.origin);
  const save = async opened => {
    const problem = await saveSegmentation(managers, opened);
    tell({ overread: 'saved', problem });
    if (problem) uiNotificationService.show({ title: 'Not saved', message: problem, type: 'error', duration: 10000 });
    return problem;
  };
  // Also from OHIF's own menu.
  commandsManager.registerCommand('SEGMENTATION', 'storeSegmentation', { commandFn: () => save('') });
  const take = ({ origin, source, data }) => {
    if (origin === window.location.origin && source === window.parent && data?.overread === 'save') save(data.opened);
  };
  window.addEventListener('message', take);
  const changed = segmentationService.subscribe(segmentationService.EVENTS.SEGMENTATION_DATA_MODIFIED, () => tell({ overread: 'mask-changed' }));
  return () => {
    window.removeEventListener('message', take);
    changed.unsubscribe();
  };
}

let stopCorrecting = () => {};

// OHIF makes seven WebGL contexts before it draws anything, half a second of a reader's wait. Its viewports can share.
const WEBGL_CONTEXTS = 1;

function shareContexts() {
  const configuration = window.cornerstone.getConfiguration();
  const rendering = { ...configuration.rendering, webGlContextCount: WEBGL_CONTEXTS };
  window.cornerstone.setConfiguration({ ...configuration, rendering });
}

// OHIF 3.13.2 starts each frame of a binary segmentation at a byte, where DICOM packs on: one whose Rows x Columns is no
// multiple of 8 is shown sheared when it is loaded whole. Those it gets frame by frame; the server does the unpacking.
const endsAtBytes = ({ BitsAllocated, Rows, Columns }) => BitsAllocated !== 1 || (Rows * Columns) % 8 === 0;

function loadWholeWhatEndsAtBytes(extensionManager) {
  for (const { retrieve } of extensionManager.getDataSources('overread')) {
    const { prefetchInstanceFrames } = retrieve;
    retrieve.prefetchInstanceFrames = about => (endsAtBytes(about.instance) ? prefetchInstanceFrames(about) : undefined);
  }
}

export default {
  id: 'overread',
  preRegistration({ servicesManager, extensionManager }) {
    shareContexts();
    loadWholeWhatEndsAtBytes(extensionManager);
    servicesManager.services.hangingProtocolService.addCustomAttribute(DRAWN_ON, 'Segmentations lie on it', isDrawnOn);
  },
  getHangingProtocolModule() {
    return [2, 3, 4, 5, 6, 7, 8, 9].map(sideBySide).map(protocol => ({ name: protocol.id, protocol }));
  },
  onModeEnter({ servicesManager, commandsManager, extensionManager }) {
    const { services } = servicesManager;
    const { segmentationService, measurementService, cornerstoneViewportService } = services;
    stopServing = serveForm(commandsManager, measurementService);
    stopServingPage = servePage(commandsManager);
    if (window.location.pathname === '/segmentation') {
      stopCorrecting = serveCorrection({ servicesManager, commandsManager, extensionManager });
    }
    stopServingReports = serveReports({ servicesManager, commandsManager, extensionManager });
    // The anatomy has to be judged through the overlay; OHIF's own half-opaque fill hides it.
    segmentationService.setStyle({ type: 'Labelmap' }, { fillAlpha: 0.2, fillAlphaInactive: 0.2 });
    segmentationService.subscribe(segmentationService.EVENTS.SEGMENTATION_LOADING_COMPLETE, openAtLargestSlice);
    rememberByPlace(services);
    cornerstoneViewportService.subscribe(cornerstoneViewportService.EVENTS.VIEWPORT_DATA_CHANGED, layOn(services));
  },
  onModeExit() {
    stopServing();
    stopServingPage();
    stopCorrecting();
    stopCorrecting = () => {};
    stopServingReports();
  },
};
