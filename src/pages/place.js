// @ts-check
/** What stands behind the # of the address. */
export function place() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ''; // somebody typed a % of his own
  }
}
