/** `nginx` → `nginx.service`; a name that carries a unit type stays as it is. */
export function unitName(name: string): string {
  return /\.(?:service|socket|target|timer|mount|automount|path|swap|slice|scope|device)$/.test(name)
    ? name
    : `${name}.service`;
}

/** Where systemd offers a unit as an object; asking there loads the unit when it is not loaded yet. */
export function unitPath(unit: string): string {
  return `/org/freedesktop/systemd1/unit/${escapeLabel(unit)}`;
}

/** systemd's `bus_label_escape`: every byte but letters and digits as `_` and two hex digits, a leading digit too. */
function escapeLabel(label: string): string {
  return [...Buffer.from(label)]
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      const plain = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
      return plain.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

/** `org.freedesktop.systemd1.Service` for `nginx.service`. */
export function typeInterface(unit: string): string {
  const type = unit.slice(unit.lastIndexOf('.') + 1);
  return `org.freedesktop.systemd1.${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}
