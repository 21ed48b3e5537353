// Where a bus is.

/**
 * The address of a bus: `system`, `session`, or an address as it is.
 *
 * @param {string} bus
 * @param {(name: string) => string | undefined} env
 */
export function addressOf(bus, env) {
  if (bus === 'system') {
    return env('DBUS_SYSTEM_BUS_ADDRESS') || 'unix:path=/run/dbus/system_bus_socket';
  }
  if (bus === 'session') {
    return env('DBUS_SESSION_BUS_ADDRESS') || `unix:path=${env('XDG_RUNTIME_DIR')}/bus`;
  }
  return bus;
}

/**
 * The sockets that an address names, in order, as Node calls them. What is no unix socket is left
 * out.
 *
 * @param {string} address `unix:path=/run/x,guid=...;unix:abstract=y`
 * @returns {string[]}
 */
export function socketsOf(address) {
  const sockets = [];
  for (const one of address.split(';')) {
    const [, transport, list] = /^([^:]*):(.*)$/.exec(one) ?? [];
    if (transport !== 'unix') continue;
    const keys = Object.fromEntries(
      list.split(',').map((pair) => {
        const at = pair.indexOf('=');
        return [pair.slice(0, at), decodeURIComponent(pair.slice(at + 1))];
      }),
    );
    if (keys.path) sockets.push(keys.path);
    else if (keys.abstract) sockets.push(`\0${keys.abstract}`);
  }
  return sockets;
}
