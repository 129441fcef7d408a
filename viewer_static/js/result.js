// The result page. Answering is in form.js, keeping what was entered in kept-form.js, the viewer in viewer-frame.js.

import "./form.js";
import "./kept-form.js";
import "./viewer-frame.js";
