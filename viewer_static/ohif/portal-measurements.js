// Measurements drawn in a read, saved to it as a report: an ES module of the portal's extension of OHIF.

import { refusalOf, SignedRequest } from './portal-extension.js';

const COMMANDS = 'CORNERSTONE_STRUCTURED_REPORT';

// Both OHIF's own "Create SR" and the button of the page save by this.
export function serveReports({ commandsManager, extensionManager, servicesManager }) {
  const { measurementService } = servicesManager.services;
  const tell = said => window.parent.postMessage(said, window.location.origin);
  const usual = commandsManager.getCommand('storeMeasurements', COMMANDS)?.commandFn;
  if (!usual) return () => {};

  const store = async wanted => {
    const source = extensionManager.getActiveDataSource()[0];
    const request = new SignedRequest();
    const dicom = dataset => source.store.dicom(dataset, request);
    try {
      const report = await usual({ ...wanted, dataSource: { ...source, store: { ...source.store, dicom } } });
      tell({ overread: 'reported', problem: '' });
      return report;
    } catch (fault) {
      const problem =
        request.readyState === XMLHttpRequest.UNSENT ? `The viewer could not put it together (${fault.message}).` : refusalOf(request);
      tell({ overread: 'reported', problem });
      throw new Error(problem);
    }
  };
  const save = async () => {
    const measurementData = measurementService.getMeasurements();
    await store({ measurementData, additionalFindingTypes: ['ArrowAnnotate'], options: { SeriesDescription: 'Measurements' } });
  };
  const take = ({ origin, source, data }) => {
    if (origin !== window.location.origin || source !== window.parent || data?.overread !== 'report') return;
    save().catch(() => {}); // the page was told
  };
  const count = () => tell({ overread: 'measured', count: measurementService.getMeasurements().length });

  commandsManager.registerCommand(COMMANDS, 'storeMeasurements', { commandFn: store });
  window.addEventListener('message', take);
  const { MEASUREMENT_ADDED, MEASUREMENT_UPDATED, MEASUREMENT_REMOVED } = measurementService.EVENTS;
  const heard = [MEASUREMENT_ADDED, MEASUREMENT_UPDATED, MEASUREMENT_REMOVED].map(one => measurementService.subscribe(one, count));
  return () => {
    commandsManager.registerCommand(COMMANDS, 'storeMeasurements', { commandFn: usual });
    window.removeEventListener('message', take);
    heard.forEach(({ unsubscribe }) => unsubscribe());
  };
}
