// Segmentations over images: laid there by the portal's layouts, and opened where there is something to see.

import { seeToOverlay } from './workarounds.js';

// Lay a segmentation's display set over the images of a viewport, once. The viewport; null where it lies there already.
export async function layOver(viewportId, overlay, { cornerstoneViewportService, segmentationService }) {
  const segmentationId = overlay.displaySetInstanceUID;
  await overlay.load({ headers: {} });
  if (segmentationService.getSegmentationRepresentations(viewportId, { segmentationId }).length > 0) return null;
  const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportId);
  await segmentationService.addSegmentationRepresentation(viewportId, { segmentationId, type: 'Labelmap' });
  seeToOverlay(viewport, segmentationId, segmentationService);
  return viewport;
}

// OHIF opens a segmentation at its first slice, often a few pixels at the top of the head. Its largest one says more.
export function openAtLargestSlice({ segDisplaySet }) {
  let most = 0;
  for (const { voxelManager, referencedImageId } of segDisplaySet?.images ?? []) {
    const voxels = drawnIn(voxelManager?.getScalarData() ?? []);
    if (voxels > most) {
      most = voxels;
      segDisplaySet.firstSegmentedSliceImageId = referencedImageId;
    }
  }
}

// A plain loop: the labels of a whole series are ten million and more.
function drawnIn(labels) {
  let count = 0;
  for (let at = 0; at < labels.length; at++) if (labels[at] !== 0) count++;
  return count;
}
