// For clock.test.mjs: prints the time of the engine that runs it, twice.

const onNode = globalThis.process?.versions?.node !== undefined;
const { now } = await import(onNode ? '../src/node.mjs' : '../src/gjs.mjs');
const line = `${now()} ${now()}`;
if (onNode) console.log(line);
else globalThis.print(line);
