// OHIF's extension for an exam beside an earlier one, each with its own segmentation laid over: an ES module, which OHIF
// imports before it starts. OHIF's own layout for two exams opens four pictures at their first slices, bare.

import { layOver } from './overlays.js';

const LAYOUT = 'overread-prior-beside-current';
const SIDE = 'compared-';
const CARRIES_OVERLAY = 'overreadCarriesOverlay';

// The address names the series of the segmentations, the current exam's first; nothing for an exam without one.
const overlays = () => (new URLSearchParams(window.location.search).get('overlays') ?? '').split(',');

const carriesOverlay = ({ displaySetInstanceUID }, { displaySets = [] } = {}) =>
  displaySets.some(
    one => overlays().includes(one.SeriesInstanceUID) && one.referencedDisplaySetInstanceUID === displaySetInstanceUID,
  );

const imagesOf = exam => ({
  studyMatchingRules: [
    { attribute: 'studyInstanceUIDsIndex', from: 'options', required: true, constraint: { equals: { value: exam } } },
  ],
  seriesMatchingRules: [
    { attribute: 'numImageFrames', required: true, constraint: { greaterThan: { value: 0 } } },
    { attribute: CARRIES_OVERLAY, weight: 20, constraint: { equals: { value: true } } },
  ],
});

const sideOf = exam => ({
  viewportOptions: {
    viewportId: SIDE + exam,
    toolGroupId: 'default',
    viewportType: 'stack',
    initialImageOptions: { preset: 'middle' },
  },
  displaySets: [{ id: `images-${exam}` }],
});

const protocol = {
  id: LAYOUT,
  name: 'Prior beside current',
  numberOfPriorsReferenced: 1,
  protocolMatchingRules: [],
  toolGroupIds: ['default'],
  displaySetSelectors: { 'images-0': imagesOf(0), 'images-1': imagesOf(1) },
  stages: [
    {
      name: 'Current, prior',
      viewportStructure: { layoutType: 'grid', properties: { rows: 1, columns: 2 } },
      viewports: [0, 1].map(sideOf),
    },
  ],
};

// Lay the segmentation of each side over its images once these are there, and open them where it is largest.
const layEach = services => async ({ viewportId }) => {
  if (!viewportId.startsWith(SIDE)) return;
  const series = overlays()[viewportId.slice(SIDE.length)];
  const displaySets = services.displaySetService.getActiveDisplaySets();
  const overlay = displaySets.find(one => series && one.SeriesInstanceUID === series);
  const viewport = overlay && (await layOver(viewportId, overlay, services));
  const largest = viewport?.getImageIds().indexOf(overlay.firstSegmentedSliceImageId) ?? -1;
  if (largest >= 0) viewport.setImageIdIndex(largest);
};

export default {
  id: 'overread-comparison',
  preRegistration({ servicesManager }) {
    servicesManager.services.hangingProtocolService.addCustomAttribute(CARRIES_OVERLAY, 'A named overlay lies on it', carriesOverlay);
  },
  getHangingProtocolModule() {
    return [{ name: LAYOUT, protocol }];
  },
  onModeEnter({ servicesManager }) {
    const { services } = servicesManager;
    const { cornerstoneViewportService } = services;
    cornerstoneViewportService.subscribe(cornerstoneViewportService.EVENTS.VIEWPORT_DATA_CHANGED, layEach(services));
  },
};
