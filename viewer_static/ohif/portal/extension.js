// OHIF's extension of the portal's own: an ES module, which OHIF imports before it starts.

import { serveCorrection } from './correction.js';
import { serveForm } from './drawings.js';
import { keepMarks } from './marks.js';
import { serveReports } from './measurements.js';
import { openAtLargestSlice } from './overlays.js';
import { servePage } from './page.js';
import { tellOfWorkInAWindowOfItsOwn } from './session.js';
import { announceSideBySide, LAYOUTS, layFindingsSideBySide } from './side-by-side.js';
import { hushReplacedViewports, loadWholeWhatEndsAtBytes, shareContexts } from './workarounds.js';

hushReplacedViewports();
tellOfWorkInAWindowOfItsOwn();

let stops = [];

export default {
  id: 'overread',
  preRegistration({ servicesManager, extensionManager }) {
    shareContexts();
    loadWholeWhatEndsAtBytes(extensionManager);
    announceSideBySide(servicesManager.services);
  },
  getHangingProtocolModule() {
    return LAYOUTS;
  },
  onModeEnter(managers) {
    const { servicesManager, commandsManager } = managers;
    const { services } = servicesManager;
    const { segmentationService, measurementService } = services;
    stops = [
      serveForm(commandsManager, measurementService),
      servePage(commandsManager),
      serveReports(managers),
      keepMarks(measurementService),
    ];
    if (window.location.pathname === '/segmentation') stops.push(serveCorrection(managers));
    // The anatomy has to be judged through the overlay; OHIF's own half-opaque fill hides it.
    segmentationService.setStyle({ type: 'Labelmap' }, { fillAlpha: 0.2, fillAlphaInactive: 0.2 });
    segmentationService.subscribe(segmentationService.EVENTS.SEGMENTATION_LOADING_COMPLETE, openAtLargestSlice);
    layFindingsSideBySide(services);
  },
  onModeExit() {
    stops.forEach(stop => stop());
    stops = [];
  },
};
