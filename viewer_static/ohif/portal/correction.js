// Saving a corrected segmentation: the page beside the viewer asks for it, and is told how it went. js/correction.js

import { refusalOf, SignedRequest } from './requests.js';

const NOTHING_DRAWN = 'Nothing is drawn, and an empty mask cannot be saved. If nothing should be drawn, press "No lesion" on the page.';

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

export function serveCorrection(managers) {
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
