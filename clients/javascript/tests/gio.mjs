// For wire.test.mjs, on GJS: makes a message with every type, reads messages (base64, one a line),
// and writes all of them in both byte orders.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';

function write(message) {
  for (const order of ['BIG', 'LITTLE']) {
    message.set_byte_order(Gio.DBusMessageByteOrder[`${order}_ENDIAN`]);
    print(`${order} ${GLib.base64_encode(message.to_blob(Gio.DBusCapabilityFlags.NONE))}`);
  }
}

const types = Gio.DBusMessage.new_signal('/', 'a.b', 'Types');
types.set_serial(1);
types.set_body(
  new GLib.Variant('(ynqutbgva{ub}ay)', [
    1,
    -2,
    65535,
    4,
    5,
    true,
    'as',
    new GLib.Variant('a(yu)', [
      [9, 10],
      [11, 12],
    ]),
    { 1: true },
    [1, 2],
  ]),
);
write(types);
const input = new Gio.DataInputStream({
  base_stream: new Gio.UnixInputStream({ fd: 0, close_fd: false }),
});
for (let [line] = input.read_line_utf8(null); line !== null; [line] = input.read_line_utf8(null)) {
  const message = Gio.DBusMessage.new_from_blob(
    GLib.base64_decode(line),
    Gio.DBusCapabilityFlags.NONE,
  );
  write(message);
}
