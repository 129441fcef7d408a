// OHIF's configuration, loaded by its page before it starts. The portal fills in __DICOMWEB_ROOT_PATTERN__.
(() => {
  'use strict';

  // Each read has a DICOMweb root of its own, which the page's address names: /viewer?dicomweb=/reads/<id>/dicomweb
  // Anything else than one of the portal's roots stops the viewer: another root could show what a reader must not see.
  const PORTALS_ROOTS = new RegExp(__DICOMWEB_ROOT_PATTERN__);
  const rootsNamedBy = query => {
    const named = query.getAll('dicomweb');
    const root = named.length === 0 ? '/dicomweb' : named[0];
    if (named.length > 1 || !PORTALS_ROOTS.test(root)) {
      window.stop();
      document.documentElement.textContent =
        'This link names a source of images that is not one of the portal\'s. Open the images from their page again.';
      throw new Error('The dicomweb parameter is not a DICOMweb root of this portal.');
    }
    const dicomweb = window.location.origin + root;
    return { qidoRoot: dicomweb, wadoRoot: dicomweb, wadoUriRoot: dicomweb };
  };
  const roots = rootsNamedBy(new URLSearchParams(window.location.search));

  const say = sentence => {
    const id = 'overread-message';
    const line = document.getElementById(id) ?? document.body.appendChild(document.createElement('div'));
    line.id = id;
    line.setAttribute('role', 'alert');
    line.style.cssText =
      'position:fixed;inset:auto 0 0 0;z-index:9999;padding:.5rem 1rem;background:#b42318;color:#fff;font:14px sans-serif';
    line.textContent = sentence;
  };

  // In a narrow frame, such as the result page's on a small screen, the image needs the width more than the panels do.
  const NARROW = 900;
  const withoutPanels = { leftPanels: { $set: [] }, rightPanels: { $set: [] } };

  // Where findings are compared, portal/side-by-side.js names each picture by its letter.
  const sides = {
    'viewportOverlay.topLeft': {
      $unshift: [
        {
          id: 'Finding',
          inheritsFrom: 'ohif.overlayItem',
          label: '',
          title: 'Finding',
          condition: ({ viewportId }) => viewportId.startsWith('finding-'),
          contentF: ({ viewportId }) => `Finding ${viewportId.slice('finding-'.length)}`,
        },
      ],
    },
  };

  // OHIF 3.13.2 reads where the first point of every measurement lies, also of those that are of no place in an image,
  // and then shows none at all of the report. It also names a finding site by its code.
  const FINDING_SITE = '363698007';
  const withSomePlace = ({ measurement }) => {
    // Changed in place: OHIF notes on the very object it gave away where it has drawn it.
    if (measurement.coords.length === 0) {
      measurement.coords.push({});
    }
    for (const line of measurement.labels.filter(({ label }) => label === FINDING_SITE)) {
      line.label = 'Finding site';
    }
    return measurement;
  };

  window.config = {
    name: 'Overread',
    routerBasename: null,
    extensions: ['/viewer-modules/extension.js', '/viewer-modules/comparison.js'],
    modes: [],
    customizationService: {
      global: { 'ohif.tours': { $set: [] }, onBeforeSRAddMeasurement: { $set: withSomePlace } },
      mode: { segmentation: { leftPanels: { $set: [] } }, viewer: { ...sides, ...(window.innerWidth < NARROW ? withoutPanels : {}) } },
    },
    showStudyList: false,
    // The bar belongs to the tools: the page around the viewer says whose it is.
    whiteLabeling: { createLogoComponentFn: React => React.createElement('span') },
    showPatientInfo: 'disabled',
    showWarningMessageForCrossOrigin: false,
    showCPUFallbackMessage: true,
    showLoadingIndicator: true,
    showErrorDetails: 'always',
    investigationalUseDialog: { option: 'never' },
    // A segmentation named in the link is shown without asking, and what is measured is kept track of.
    disableConfirmationPrompts: true,
    measurementTrackingMode: 'simplified',
    strictZSpacingForVolumeViewport: true,
    maxNumberOfWebWorkers: 3,
    maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
    defaultDataSourceName: 'overread',
    dataSources: [
      {
        namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
        sourceName: 'overread',
        configuration: {
          friendlyName: 'Overread',
          name: 'overread',
          ...roots,
          // The viewer stays from one read to the next, and each has another root.
          onConfiguration: (configuration, { query }) => ({ ...configuration, ...rootsNamedBy(query) }),
          qidoSupportsIncludeField: true,
          supportsReject: false,
          supportsFuzzyMatching: false,
          supportsWildcard: true,
          dicomUploadEnabled: false,
          imageRendering: 'wadors',
          // Drawn by the server: drawing them in the browser takes a WebGL context of its own, and a reader's time.
          thumbnailRendering: 'thumbnailDirect',
          enableStudyLazyLoad: true,
          // OHIF would show an image as its first bytes arrive; of one that is not compressed it then never shows the rest,
          // and stays black.
          stackRetrieveOptions: { retrieveOptions: { single: { streaming: false } } },
          // One request for a segmentation, not one for each of its frames; portal/workarounds.js knows the exceptions.
          loadMultiframeAsPart10: true,
          singlepart: 'bulkdata,video',
          bulkDataURI: { enabled: true },
          // A frame by itself is sent from the disk to the network by the server's kernel, and taken by the viewer as it
          // is; wrapped as multipart, OHIF's default, both copy it and the viewer searches it for its end.
          acceptHeader: [
            'application/octet-stream; transfer-syntax=*',
            'multipart/related; type=application/octet-stream; transfer-syntax=*; q=0.5',
          ],
          // OHIF's default, Label Map Segmentation, is one that highdicom cannot read yet.
          segmentation: { store: { defaultMode: 'bitmap', transferSyntaxUID: '1.2.840.10008.1.2.1' } },
        },
      },
    ],
    httpErrorHandler: error => {
      if (error.status === 401 || error.status === 403) {
        say(`The portal did not hand over images (${error.status}). Your session may have ended: log in again, then reload.`);
      } else if (error.status >= 500) {
        say(`The portal failed to hand over images (${error.status}). Reload; if it stays, tell your administrator.`);
      }
    },
  };
})();
