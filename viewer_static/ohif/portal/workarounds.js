// Where OHIF 3.13.2 errs or makes its users wait.

// OHIF puts a segmentation's viewport in the place of the image's, which may still be drawing. That throws, nothing is
// lost by it, and OHIF would cover a corner of the images with "Something went wrong".
function keepQuiet(event) {
  const { message = '' } = event.error ?? event.reason ?? {};
  if (/viewport has been destroyed/i.test(message)) event.stopImmediatePropagation();
}

export function hushReplacedViewports() {
  window.addEventListener('error', keepQuiet);
  window.addEventListener('unhandledrejection', keepQuiet);
}

// OHIF makes seven WebGL contexts before it draws anything, half a second of a reader's wait. Its viewports can share.
const WEBGL_CONTEXTS = 1;

export function shareContexts() {
  const configuration = window.cornerstone.getConfiguration();
  const rendering = { ...configuration.rendering, webGlContextCount: WEBGL_CONTEXTS };
  window.cornerstone.setConfiguration({ ...configuration, rendering });
}

// OHIF 3.13.2 starts each frame of a binary segmentation at a byte, where DICOM packs on: one whose Rows x Columns is no
// multiple of 8 is shown sheared when it is loaded whole. Those it gets frame by frame; the server does the unpacking.
const endsAtBytes = ({ BitsAllocated, Rows, Columns }) => BitsAllocated !== 1 || (Rows * Columns) % 8 === 0;

export function loadWholeWhatEndsAtBytes(extensionManager) {
  for (const { retrieve } of extensionManager.getDataSources('overread')) {
    const { prefetchInstanceFrames } = retrieve;
    retrieve.prefetchInstanceFrames = about => (endsAtBytes(about.instance) ? prefetchInstanceFrames(about) : undefined);
  }
}

// Where two overlays are made at once, OHIF 3.13.2 now and then leaves one without its colours, and black, or does not draw
// it at all. Being told its colour again it draws it. It need not draw anything in between, so there is no event to wait for.
const LOOK_AGAIN_MS = 100;
const LOOKS = 100;
const hasColours = ({ actor }) => actor.getProperty().getUseLabelOutline();

export async function seeToOverlay(viewport, segmentationId, segmentationService) {
  for (let look = 0; look < LOOKS; look++) {
    await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN_MS));
    const overlays = viewport.getActors().filter(({ representationUID }) => representationUID?.startsWith?.(segmentationId));
    if (overlays.length > 0 && overlays.every(hasColours)) return;
    const isGone = segmentationService.getSegmentationRepresentations(viewport.id, { segmentationId }).length === 0;
    if (isGone) return; // the reader went on
    const first = segmentationService.getSegmentColor(viewport.id, segmentationId, 1);
    segmentationService.setSegmentColor(viewport.id, segmentationId, 1, first);
  }
}
