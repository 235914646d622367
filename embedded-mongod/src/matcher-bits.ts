import { badValue } from "./errors.ts";
import { bsonType, isNumeric, toNumber } from "./values.ts";

function maskOf(op: string, arg: unknown): bigint {
	if (Array.isArray(arg)) return arg.reduce<bigint>((mask, bit) => mask | (1n << BigInt(Number(bit))), 0n);
	if (isNumeric(arg)) return BigInt(Math.trunc(toNumber(arg)));
	if (bsonType(arg) === "Binary") {
		const { buffer } = arg as { buffer: Uint8Array };
		return buffer.reduceRight<bigint>((mask, byte) => (mask << 8n) | BigInt(byte), 0n);
	}
	throw badValue(`${op} takes an Array, a number, or a BinData`);
}

/** `$bitsAllSet`, `$bitsAnySet`, `$bitsAllClear`, `$bitsAnyClear`; any other operator is unknown. */
export function bitTest(op: string, arg: unknown): (v: unknown) => boolean {
	if (!["$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear"].includes(op)) {
		throw badValue(`unknown operator: ${op}`);
	}
	const mask = maskOf(op, arg);
	return v => {
		if (!isNumeric(v) || !Number.isInteger(toNumber(v))) return false;
		const hit = BigInt.asUintN(64, BigInt(toNumber(v))) & mask;
		if (op === "$bitsAllSet") return hit === mask;
		if (op === "$bitsAnySet") return hit !== 0n;
		return op === "$bitsAllClear" ? hit === 0n : hit !== mask;
	};
}
