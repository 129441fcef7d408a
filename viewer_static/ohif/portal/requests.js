const SIGNED_OUT = 'You are signed out, so it was not saved. Sign in again in another tab, and save again.';
const AWAY = 'The portal cannot be reached, so it was not saved. Save again in a moment.';

// Against forged requests: what the portal set as a cookie comes back in a header.
export const csrfToken = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? '';

// OHIF's own requests carry no token against forged ones, and it drops what the portal answers.
export class SignedRequest extends XMLHttpRequest {
  constructor(opened) {
    super();
    this.opened = opened;
  }

  open(...how) {
    super.open(...how);
    this.setRequestHeader('X-CSRFToken', csrfToken());
    if (this.opened) this.setRequestHeader('X-Overread-Opened', this.opened);
  }
}

export function refusalOf(request) {
  if (request.status === 0) return AWAY;
  if (request.status === 401) return SIGNED_OUT;
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `The portal failed to save it (error ${request.status}). Save again in a moment.`;
  }
}
