// What the AI marked. OHIF makes the marks of a report into measurements like those that a reader draws: they could be
// dragged, were counted and saved with the reader's own, and covered the image with statistics of the pixels within.

export const isMark = ({ predecessorImageId }) => Boolean(predecessorImageId);

const LEGIBLE = { textBoxBackground: 'rgba(0, 0, 0, 0.7)' }; // over bone
const marked = new WeakSet(); // what tools draw the marks from
const taught = new WeakSet(); // tools that know marks

// Marks stay where they are, and say what was found there.
export function keepMarks(measurementService) {
  const keep = ({ measurement: { uid, toolName } }) => {
    const { annotation, ToolGroupManager } = window.cornerstoneTools;
    annotation.locking.setAnnotationLocked(uid, true);
    annotation.config.style.setAnnotationStyles(uid, LEGIBLE);
    marked.add(annotation.state.getAnnotation(uid).data);
    ToolGroupManager.getAllToolGroups().forEach(group => teach(group.getToolInstance(toolName)));
  };
  const { unsubscribe } = measurementService.subscribe(measurementService.EVENTS.RAW_MEASUREMENT_ADDED, keep);
  return unsubscribe;
}

function teach(tool) {
  if (!tool || taught.has(tool)) return;
  taught.add(tool);
  const { getTextLines } = tool.configuration;
  const foundAt = ({ finding }) => [finding?.text].filter(Boolean);
  tool.configuration.getTextLines = (data, ...rest) => (marked.has(data) ? foundAt(data) : getTextLines(data, ...rest));
}
