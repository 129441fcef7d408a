// Measurements drawn in a read, saved to it as a report: an ES module of the portal's extension of OHIF.

import { isMark } from './marks.js';
import { refusalOf, SignedRequest } from './requests.js';

const COMMANDS = 'CORNERSTONE_STRUCTURED_REPORT';
const SOURCE = 'overread'; // as app-config.js calls it
const NOTHING = 'You have drawn nothing that could be saved.';
const SENDS = [SOURCE, undefined];

// Both OHIF's own "Create SR" and the button of the page save by this.
export function serveReports({ commandsManager, extensionManager, servicesManager }) {
  const { measurementService } = servicesManager.services;
  const tell = said => window.parent.postMessage(said, window.location.origin);
  const own = measurements => measurements.filter(one => !isMark(one));
  const usual = commandsManager.getCommand('storeMeasurements', COMMANDS)?.commandFn;
  if (!usual) return () => {};

  const store = async wanted => {
    if (!SENDS.includes(wanted.dataSource)) return usual(wanted); // a download
    const measurementData = own(wanted.measurementData);
    if (measurementData.length === 0) {
      tell({ overread: 'reported', problem: NOTHING });
      throw new Error(NOTHING);
    }
    const { store: sends } = extensionManager.getActiveDataSource()[0];
    const { dicom } = sends;
    const request = new SignedRequest();
    sends.dicom = (dataset, _request, dicomDict) => dicom(dataset, request, dicomDict);
    try {
      const report = await usual({ ...wanted, measurementData });
      tell({ overread: 'reported', problem: '' });
      return report;
    } catch (fault) {
      const problem =
        request.readyState === XMLHttpRequest.UNSENT ? `The viewer could not put it together (${fault.message}).` : refusalOf(request);
      tell({ overread: 'reported', problem });
      throw new Error(problem);
    } finally {
      sends.dicom = dicom;
    }
  };
  const save = async () => {
    const measurementData = measurementService.getMeasurements();
    await store({ measurementData, dataSource: SOURCE, additionalFindingTypes: ['ArrowAnnotate'], options: { SeriesDescription: 'Measurements' } });
  };
  const take = ({ origin, source, data }) => {
    if (origin !== window.location.origin || source !== window.parent || data?.overread !== 'report') return;
    save().catch(() => {}); // the page was told
  };
  const count = () => tell({ overread: 'measured', count: own(measurementService.getMeasurements()).length });

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
