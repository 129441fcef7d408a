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

export default {
  id: 'overread',
  onModeEnter({ servicesManager }) {
    const { segmentationService } = servicesManager.services;
    // The anatomy has to be judged through the overlay; OHIF's own half-opaque fill hides it.
    segmentationService.setStyle({ type: 'Labelmap' }, { fillAlpha: 0.2, fillAlphaInactive: 0.2 });
    segmentationService.subscribe(segmentationService.EVENTS.SEGMENTATION_LOADING_COMPLETE, openAtLargestSlice);
  },
};
