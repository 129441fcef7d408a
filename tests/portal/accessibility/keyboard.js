// What a person without a mouse meets: which elements take the focus, and whether one sees where it is.
(() => {
  const FOCUSABLE =
    'a[href], area[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [contenteditable=true], [tabindex]';

  function isReachable(element) {
    return !element.matches(':disabled, [tabindex^="-"]') && !element.closest('[inert]')
      && element.checkVisibility({ visibilityProperty: true });
  }

  // Of a group of radio buttons one takes the focus: the chosen one, else the first or the last.
  function stop(element) {
    if (element.type !== 'radio' || !element.name) return element;
    const group = [...document.getElementsByName(element.name)].filter((one) => one.form === element.form && isReachable(one));
    return group.find((one) => one.checked) || group[0];
  }

  const look = (element) => {
    const style = getComputedStyle(element);
    const near = element.nextElementSibling ? getComputedStyle(element.nextElementSibling) : style;
    const around = element.parentElement ? getComputedStyle(element.parentElement) : style;
    const shown = [style, near, around].map((one) =>
      [one.outlineStyle === 'none' ? '' : one.outlineWidth + one.outlineColor + one.outlineStyle, one.boxShadow, one.backgroundColor,
        one.borderColor, one.color, one.textDecorationLine, one.left, one.top].join());
    return shown.join(';');
  };

  const called = (element) => element.outerHTML.slice(0, 160);

  window.keyboard = {
    stops: () => [...new Set([...document.querySelectorAll(FOCUSABLE)].filter(isReachable).map(stop))],
    jumps: () => [...document.querySelectorAll('[tabindex]')].filter((one) => one.tabIndex > 0).map(called),
    met: new Map(),
    // Whether the focus is still on its way: a field of a date has several stops.
    note() {
      const element = document.activeElement;
      if (!element || element === document.body || element === document.documentElement) return false;
      if (this.met.has(element)) return element === this.last;
      this.met.set(element, look(element));
      this.last = element;
      return true;
    },
    unmet() {
      return this.stops().filter((one) => !this.met.has(one)).map(called);
    },
    // What looks the same with the focus as without. A frame shows its own.
    unseen() {
      document.activeElement?.blur();
      return [...this.met].filter(([one, seen]) => one.isConnected && one.tagName !== 'IFRAME' && look(one) === seen).map(([one]) => called(one));
    },
  };
})();
