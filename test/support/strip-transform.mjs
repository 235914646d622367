import { stripTypeScriptTypes } from "node:module";

const strip = source => ({ code: stripTypeScriptTypes(source, { mode: "strip" }) });
export default { process: strip, processAsync: async source => strip(source) };
