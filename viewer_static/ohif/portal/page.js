// The page around a read is told that the viewer is there and when images are, and may ask for the images of another
// read: the viewer stays, which takes a quarter of the time that loading it anew would.

const RENDERED = 'CORNERSTONE_IMAGE_RENDERED';

export function servePage(commandsManager) {
  const tell = said => window.parent.postMessage(said, window.location.origin);
  const { pathname, search } = window.location;
  const root = new URLSearchParams(search).get('dicomweb') ?? '/dicomweb';
  const tellOfImages = ({ detail }) => {
    const viewport = window.cornerstone.getRenderingEngine(detail.renderingEngineId)?.getViewport(detail.viewportId);
    if (!viewport?.getCurrentImageId?.()?.includes(`${root}/`)) return;
    document.removeEventListener(RENDERED, tellOfImages, { capture: true });
    tell({ overread: 'shown', address: pathname + search });
  };
  const go = ({ origin, source, data }) => {
    if (origin === window.location.origin && source === window.parent && data?.overread === 'go') {
      const isSameMode = new URL(data.address, window.location.origin).pathname === pathname;
      // From the editor to the viewer OHIF 3.13.2 leaves segmentations without their overlay.
      if (!isSameMode) window.location.replace(data.address);
      else commandsManager.runCommand('navigateHistory', { to: data.address, options: { replace: true } });
    }
  };
  document.addEventListener(RENDERED, tellOfImages, { capture: true });
  window.addEventListener('message', go);
  tell({ overread: 'ready' });
  return () => {
    document.removeEventListener(RENDERED, tellOfImages, { capture: true });
    window.removeEventListener('message', go);
    // What one read showed is not kept for the next.
    window.cornerstone.cache.purgeCache();
  };
}
