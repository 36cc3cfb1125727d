/**
 * Gets {view: View, moment: Moment | null}.
 */
export function Banners() {
  return null;
}
