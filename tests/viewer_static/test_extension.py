"""The portal's extension of OHIF, in Node: what it does with what OHIF tells it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from django.test import Client

from viewer_static import views


def said_by_the_extension(client: Client, folder: Path, script: str) -> str:
    """What a script writes to which `extension` is the portal's extension of OHIF, in Node with a bit of a browser."""
    (folder / "package.json").write_text('{"type": "module"}')
    for file in sorted((views.OHIF / "portal").iterdir()):
        (folder / file.name).write_bytes(client.get(f"/viewer-modules/{file.name}").content)
    program = f"""
      globalThis.XMLHttpRequest = class {{}};
      globalThis.document = new EventTarget();
      const around = {{ parent: {{ postMessage: () => {{}} }}, location: {{ pathname: '/viewer', search: '' }} }};
      globalThis.window = Object.assign(new EventTarget(), around);
      const {{ default: extension }} = await import('{(folder / "extension.js").as_uri()}');
      {script}
    """
    command = ["node", "--input-type=module", "-e", program]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_segmentation_opens_at_its_largest_slice(client: Client, tmp_path: Path) -> None:
    script = """
      const subscribed = {};
      const segmentationService = {
        EVENTS: { SEGMENTATION_LOADING_COMPLETE: 'complete' },
        subscribe: (event, callback) => { subscribed[event] = callback; },
        setStyle: () => {},
      };
      const measurementService = { EVENTS: {}, subscribe: () => ({ unsubscribe: () => {} }) };
      const cornerstoneViewportService = { EVENTS: {}, subscribe: () => {} };
      const viewportGridService = { presentationIdProviders: new Map(), addPresentationIdProvider: () => {} };
      const services = { segmentationService, measurementService, cornerstoneViewportService, viewportGridService };
      const commandsManager = { getCommand: () => undefined };
      extension.onModeEnter({ servicesManager: { services }, commandsManager });
      const slice = (referencedImageId, ...labels) => (
        { referencedImageId, voxelManager: { getScalarData: () => Uint8Array.from(labels) } });
      const images = [slice('a', 0, 0, 0), slice('b', 0, 0, 1), slice('c', 2, 1, 0), slice('d', 1, 0, 0)];
      const segDisplaySet = { images, firstSegmentedSliceImageId: 'b' };
      subscribed.complete({ segDisplaySet });
      subscribed.complete({ rtDisplaySet: {} });
      process.stdout.write(segDisplaySet.firstSegmentedSliceImageId);
    """
    assert said_by_the_extension(client, tmp_path, script) == "c"


def test_ohif_cries_wolf_for_no_viewport_that_it_replaced_while_it_drew(client: Client, tmp_path: Path) -> None:
    script = """
      const heard = [];
      window.addEventListener('error', ({ error }) => heard.push(error.message));
      const failed = message => window.dispatchEvent(Object.assign(new Event('error'), { error: new Error(message) }));
      failed('The stack viewport has been destroyed and is no longer usable.');
      failed('The disk is on fire.');
      process.stdout.write(heard.join());
    """
    assert said_by_the_extension(client, tmp_path, script) == "The disk is on fire."


def test_a_segmentation_is_loaded_whole_where_its_frames_end_at_bytes(client: Client, tmp_path: Path) -> None:
    script = """
      let configuration = { isMobile: false, rendering: { webGlContextCount: 7, other: 1 } };
      window.cornerstone = { getConfiguration: () => configuration, setConfiguration: one => { configuration = one; } };
      const retrieve = { prefetchInstanceFrames: ({ instance }) => ({ done: instance.Rows }) };
      const extensionManager = { getDataSources: () => [{ retrieve }] };
      const services = { hangingProtocolService: { addCustomAttribute: () => {} } };
      extension.preRegistration({ servicesManager: { services }, extensionManager });
      const loaded = (...of) => {
        const [BitsAllocated, Rows, Columns] = of;
        return retrieve.prefetchInstanceFrames({ instance: { BitsAllocated, Rows, Columns } })?.done ?? 0;
      };
      const whole = [loaded(1, 256, 256), loaded(1, 201, 201), loaded(8, 201, 201), loaded(1, 12, 14)];
      process.stdout.write(JSON.stringify([whole, configuration]));
    """
    whole, configuration = json.loads(said_by_the_extension(client, tmp_path, script))
    assert whole == [256, 0, 201, 12]
    assert configuration == {"isMobile": False, "rendering": {"webGlContextCount": 1, "other": 1}}


def test_what_the_ai_marked_is_locked_says_what_it_found_and_is_no_measurement_of_the_readers(
    client: Client, tmp_path: Path
) -> None:
    script = """
      const told = [];
      window.parent.postMessage = said => told.push(said);
      window.location.origin = 'https://portal.example';
      const hears = {};
      const drawn = [
        { uid: 'mark', toolName: 'RectangleROI', predecessorImageId: 'report' },
        { uid: 'own', toolName: 'RectangleROI' },
      ];
      const measurementService = {
        EVENTS: { MEASUREMENT_UPDATED: 'updated', RAW_MEASUREMENT_ADDED: 'came' },
        subscribe: (event, callback) => { (hears[event] ??= []).push(callback); return { unsubscribe: () => {} }; },
        getMeasurements: () => drawn,
      };
      const annotations = { mark: { data: { finding: { text: 'Implant' } } }, own: { data: {} } };
      const locked = [];
      const styled = {};
      const tool = { configuration: { getTextLines: () => ['Area: 3 mm'] } };
      window.cornerstoneTools = {
        annotation: {
          locking: { setAnnotationLocked: (uid, isLocked) => locked.push(uid, isLocked) },
          state: { getAnnotation: uid => annotations[uid] },
          config: { style: { setAnnotationStyles: (uid, style) => { styled[uid] = style; } } },
        },
        ToolGroupManager: { getAllToolGroups: () => [tool, undefined].map(one => ({ getToolInstance: () => one })) },
      };
      let stored;
      const usual = async ({ measurementData }) => { stored = measurementData.map(({ uid }) => uid); };
      const commands = { storeMeasurements: { commandFn: usual } };
      const commandsManager = {
        getCommand: name => commands[name],
        registerCommand: (_context, name, command) => { commands[name] = command; },
      };
      const extensionManager = { getActiveDataSource: () => [{ store: {} }] };
      const segmentationService = { EVENTS: {}, subscribe: () => {}, setStyle: () => {} };
      const cornerstoneViewportService = { EVENTS: {}, subscribe: () => {} };
      const viewportGridService = { presentationIdProviders: new Map(), addPresentationIdProvider: () => {} };
      const services = { segmentationService, measurementService, cornerstoneViewportService, viewportGridService };
      extension.onModeEnter({ servicesManager: { services }, commandsManager, extensionManager });

      hears.came.forEach(hear => hear({ measurement: drawn[0] }));
      hears.came.forEach(hear => hear({ measurement: drawn[0] }));
      hears.updated.forEach(hear => hear({ measurement: drawn[0] }));
      const lines = ['mark', 'own'].map(uid => tool.configuration.getTextLines(annotations[uid].data));
      await commands.storeMeasurements.commandFn({ measurementData: drawn });
      const store = commands.storeMeasurements.commandFn({ measurementData: drawn.slice(0, 1) });
      const refusal = await store.catch(({ message }) => message);
      const counts = told.filter(({ overread }) => overread === 'measured').map(({ count }) => count);
      const answers = told.filter(({ overread }) => overread === 'reported').map(({ problem }) => problem);
      const hasDrawing = told.some(({ overread }) => overread === 'drawn');
      process.stdout.write(JSON.stringify({ locked, lines, stored, refusal, counts, hasDrawing, styled, answers }));
    """
    said = json.loads(said_by_the_extension(client, tmp_path, script))
    assert said["locked"] == ["mark", True] * 2
    assert said["lines"] == [["Implant"], ["Area: 3 mm"]]
    assert said["stored"] == ["own"]
    assert said["answers"] == ["", said["refusal"]]
    assert said["refusal"] == "You have drawn nothing that could be saved."
    assert set(said["counts"]) == {1}
    assert list(said["styled"]) == ["mark"]
    assert not said["hasDrawing"]
