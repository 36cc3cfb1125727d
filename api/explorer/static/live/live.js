/**
 * Gets {view: View, params: Params | null, moment: Moment | null, refresh: () => void}.
 */
export function Live() {
  return null;
}
