// D-Bus messages as bytes, for Node (https://dbus.freedesktop.org/doc/dbus-specification.html).
// Written are the types that the agent takes, read is every type but file descriptors.
//
// In JavaScript: numbers for all numbers, strings, booleans, arrays for arrays and structures,
// objects for dictionaries. A variant is written from `{type, value}` and read as its value.

export const CALL = 1;
export const RETURN = 2;
export const ERROR = 3;
export const SIGNAL = 4;

const LITTLE = 0x6c;
const BIG = 0x42;
/** The specification allows 128 MiB; nothing that a player is told comes near this. */
const LARGEST = 16 * 1024 * 1024;
const DEEPEST = 32;
/** Bytes that tell how long a message is. */
const HEAD = 16;
const ALIGNMENT = { y: 1, g: 1, v: 1, n: 2, q: 2, x: 8, t: 8, d: 8, '(': 8, '{': 8 };
const FIELDS = {
  1: 'path',
  2: 'interface',
  3: 'member',
  4: 'errorName',
  5: 'replySerial',
  6: 'destination',
  7: 'sender',
  8: 'signature',
};
const FIELD_TYPES = { path: 'o', replySerial: 'u', signature: 'g' };

const utf8 = new TextEncoder();
const text = new TextDecoder();

const alignmentOf = (type) => ALIGNMENT[type] ?? 4;

/** Where the complete type that begins at `start` ends in a signature. */
function endOf(signature, start) {
  const type = signature[start];
  if (type === 'a') return endOf(signature, start + 1);
  if (type === '(' || type === '{') {
    const close = type === '(' ? ')' : '}';
    let at = start + 1;
    while (at < signature.length && signature[at] !== close) at = endOf(signature, at);
    if (at < signature.length && at > start + 1) return at + 1;
  } else if (type && 'ybnqiuxtdsogv'.includes(type)) {
    return start + 1;
  }
  throw new RangeError(`no D-Bus signature: ${signature}`);
}

/** The complete types of a signature. */
function split(signature) {
  const types = [];
  for (let at = 0; at < signature.length;) {
    const end = endOf(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  get bytes() {
    return this.#bytes.subarray(0, this.length);
  }

  align(to) {
    this.#grow((to - (this.length % to)) % to);
  }

  /** Room for some zero bytes at the end; gives where they begin. */
  #grow(count) {
    const at = this.length;
    this.length += count;
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.length);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  put(bytes) {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  setLength(at, value) {
    this.#view.setUint32(at, value, true);
  }

  write(type, value) {
    this.align(alignmentOf(type[0]));
    switch (type[0]) {
      case 'y':
        this.put([value]);
        break;
      case 'b':
        this.#number(4, 'setUint32', value ? 1 : 0);
        break;
      case 'i':
        this.#number(4, 'setInt32', value);
        break;
      case 'u':
        this.#number(4, 'setUint32', value);
        break;
      case 'x':
        this.#number(8, 'setBigInt64', BigInt(value));
        break;
      case 'd':
        this.#number(8, 'setFloat64', value);
        break;
      case 's':
      case 'o':
        this.#string(value, 4);
        break;
      case 'g':
        this.#string(value, 1);
        break;
      case 'v':
        this.#string(value.type, 1);
        this.write(value.type, value.value);
        break;
      case '(':
        split(type.slice(1, -1)).forEach((part, i) => this.write(part, value[i]));
        break;
      case 'a':
        this.#array(type.slice(1), value);
        break;
      default:
        throw new RangeError(`not written: ${type}`);
    }
  }

  #number(size, method, value) {
    const at = this.#grow(size);
    this.#view[method](at, value, true);
  }

  #string(value, sizeOfLength) {
    const bytes = utf8.encode(value);
    if (sizeOfLength === 4) this.#number(4, 'setUint32', bytes.length);
    else this.put([bytes.length]);
    this.put(bytes);
    this.put([0]);
  }

  #array(element, value) {
    const lengthAt = this.#grow(4);
    this.align(alignmentOf(element[0]));
    const start = this.length;
    if (element[0] === '{') {
      const [keyType, valueType] = split(element.slice(1, -1));
      for (const [key, entry] of Object.entries(value)) {
        this.align(8);
        this.write(keyType, key);
        this.write(valueType, entry);
      }
    } else {
      for (const entry of value) this.write(element, entry);
    }
    this.setLength(lengthAt, this.length - start);
  }
}

/**
 * A message as bytes. Fields: those of FIELDS, without `signature` if there is no body.
 *
 * @param {{type: number, flags?: number, serial: number, signature?: string, body?: any[]}} message
 */
export function encode(message) {
  const body = new Writer();
  split(message.signature ?? '').forEach((type, i) => body.write(type, message.body[i]));
  const fields = Object.entries(FIELDS)
    .filter(([, name]) => message[name])
    .map(([code, name]) => [code, { type: FIELD_TYPES[name] ?? 's', value: message[name] }]);
  const whole = new Writer();
  whole.put([LITTLE, message.type, message.flags ?? 0, 1]);
  whole.write('u', body.length);
  whole.write('u', message.serial);
  whole.write('a(yv)', fields);
  whole.align(8);
  whole.put(body.bytes);
  return whole.bytes;
}

/** Reads values out of one message. A message that lies about its lengths is a RangeError. */
class Reader {
  #bytes;
  #view;
  #little;
  #depth = 0;
  at;

  constructor(bytes, at, little) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#little = little;
    this.at = at;
  }

  align(to) {
    this.at += (to - (this.at % to)) % to;
  }

  values(signature) {
    return split(signature).map((type) => this.read(type));
  }

  read(type) {
    this.align(alignmentOf(type[0]));
    switch (type[0]) {
      case 'y':
        return this.#number(1, 'getUint8');
      case 'b':
        return this.#number(4, 'getUint32') !== 0;
      case 'n':
        return this.#number(2, 'getInt16');
      case 'q':
        return this.#number(2, 'getUint16');
      case 'i':
        return this.#number(4, 'getInt32');
      case 'u':
        return this.#number(4, 'getUint32');
      case 'x':
        return Number(this.#number(8, 'getBigInt64'));
      case 't':
        return Number(this.#number(8, 'getBigUint64'));
      case 'd':
        return this.#number(8, 'getFloat64');
      case 's':
      case 'o':
        return this.#string(this.#number(4, 'getUint32'));
      case 'g':
        return this.#string(this.#number(1, 'getUint8'));
      case 'v':
        return this.#deeper(() => this.#variant());
      case '(':
        return this.#deeper(() => this.values(type.slice(1, -1)));
      default:
        return this.#deeper(() => this.#array(type.slice(1)));
    }
  }

  #number(size, method) {
    const value = this.#view[method](this.at, this.#little);
    this.at += size;
    return value;
  }

  #string(length) {
    const end = this.at + length;
    if (end >= this.#bytes.length) throw new RangeError('a text is longer than its message');
    const value = text.decode(this.#bytes.subarray(this.at, end));
    this.at = end + 1;
    return value;
  }

  #variant() {
    const types = split(this.read('g'));
    if (types.length !== 1) throw new RangeError('a variant has one value');
    return this.read(types[0]);
  }

  #array(element) {
    const length = this.#number(4, 'getUint32');
    this.align(alignmentOf(element[0]));
    const end = this.at + length;
    if (end > this.#bytes.length) throw new RangeError('an array is longer than its message');
    const values = [];
    if (element[0] === '{') {
      const [keyType, valueType] = split(element.slice(1, -1));
      while (this.at < end) {
        this.align(8);
        values.push([this.read(keyType), this.read(valueType)]);
      }
      return Object.fromEntries(values);
    }
    while (this.at < end) values.push(this.read(element));
    return values;
  }

  #deeper(read) {
    if (++this.#depth > DEEPEST) throw new RangeError('a value is too deep');
    const value = read();
    this.#depth--;
    return value;
  }
}

/**
 * Makes messages of what arrives, in whatever pieces it does. Throws RangeError when it is no
 * D-Bus.
 */
export class Decoder {
  #pieces = [];
  #length = 0;
  #needed = HEAD;

  push(bytes) {
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    if (this.#length < this.#needed) return [];
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    const messages = [];
    at = 0;
    let size = sizeOf(all, at);
    while (all.length - at >= size) {
      messages.push(decode(all.subarray(at, at + size)));
      at += size;
      size = sizeOf(all, at);
    }
    this.#pieces = [all.slice(at)];
    this.#length = all.length - at;
    this.#needed = size;
    return messages;
  }
}

/** The bytes of the message that begins at `at`, or those that are needed to know it. */
function sizeOf(bytes, at) {
  if (bytes.length < at + HEAD) return HEAD;
  const view = new DataView(bytes.buffer, at, HEAD);
  const order = view.getUint8(0);
  if ((order !== LITTLE && order !== BIG) || view.getUint8(3) !== 1) {
    throw new RangeError('this is no D-Bus message');
  }
  const body = view.getUint32(4, order === LITTLE);
  const fields = view.getUint32(12, order === LITTLE);
  const size = HEAD + Math.ceil(fields / 8) * 8 + body;
  if (size > LARGEST) throw new RangeError(`a message of ${size} bytes`);
  return size;
}

function decode(bytes) {
  const little = bytes[0] === LITTLE;
  const reader = new Reader(bytes, 4, little);
  const message = { type: bytes[1], flags: bytes[2], body: [] };
  reader.read('u');
  message.serial = reader.read('u');
  for (const [code, value] of reader.read('a(yv)')) {
    if (FIELDS[code]) message[FIELDS[code]] = value;
  }
  reader.align(8);
  if (message.signature) message.body = reader.values(message.signature);
  return message;
}
