// A read that compares findings: each over the same images, beside the others. The read's DICOMweb root calls them A, B
// and so on in their descriptions, and the place follows from that alone. app-config.js writes the letter on the picture.

import { layOver } from './overlays.js';

const SIDE_BY_SIDE = 'overread-side-by-side';
const DRAWN_ON = 'overreadIsDrawnOn';
const OF_FINDING = 'finding-';

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
const layOn = services => async ({ viewportId }) => {
  if (!viewportId.startsWith(OF_FINDING)) return;
  const name = `Finding ${viewportId.slice(OF_FINDING.length)} `;
  const displaySets = services.displaySetService.getActiveDisplaySets();
  const finding = displaySets.find(one => isFinding(one) && one.SeriesDescription.startsWith(name));
  if (finding) await layOver(viewportId, finding, services);
};

// OHIF remembers overlays by the images below them; here each place has its own.
function rememberByPlace({ viewportGridService }) {
  const kind = 'segmentationPresentationId';
  const usual = viewportGridService.presentationIdProviders.get(kind);
  viewportGridService.addPresentationIdProvider(kind, (id, about) => {
    const place = about.viewport?.viewportOptions?.viewportId ?? '';
    return id === kind && place.startsWith(OF_FINDING) ? place : usual?.(id, about);
  });
}

export const LAYOUTS = [2, 3, 4, 5, 6, 7, 8, 9].map(sideBySide).map(protocol => ({ name: protocol.id, protocol }));

export function announceSideBySide({ hangingProtocolService }) {
  hangingProtocolService.addCustomAttribute(DRAWN_ON, 'Segmentations lie on it', isDrawnOn);
}

export function layFindingsSideBySide(services) {
  const { cornerstoneViewportService } = services;
  rememberByPlace(services);
  cornerstoneViewportService.subscribe(cornerstoneViewportService.EVENTS.VIEWPORT_DATA_CHANGED, layOn(services));
}
