// Signing in again, here or in another tab, brings another token: the one in the cookie counts.
export const csrfToken = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
