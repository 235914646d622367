// Expression operators that bind variables, or leave out what is not taken: evaluated as they go.
import { located } from "./errors.ts";
import type { Run, Scope } from "./expressions.ts";
import { orderOf } from "./sort.ts";
import { compare, type Doc, isPlain, isTrue, own, set, toNumber, typeOf } from "./values.ts";

type Compile = (expression: unknown) => Run;

const isNil = (v: unknown): v is null | undefined => v === null || v === undefined;

function inputList(name: string, code: number, v: unknown): unknown[] | null {
	if (isNil(v)) return null;
	if (!Array.isArray(v)) throw located(code, `input to ${name} must be an array not ${typeOf(v)}`);
	return v;
}

const part = (arg: unknown, key: string) => own(arg, key);
const bind = (scope: Scope): Scope => ({ root: scope.root, vars: { ...scope.vars } });

function map(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const each = compile(part(arg, "in"));
	const name = String(part(arg, "as") ?? "this");
	return scope => {
		const list = inputList("$map", 16883, input(scope));
		if (!list) return null;
		const inner = bind(scope);
		return list.map(v => {
			inner.vars[name] = v;
			return each(inner) ?? null;
		});
	};
}

function filter(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const test = compile(part(arg, "cond"));
	const limit = compile(part(arg, "limit"));
	const name = String(part(arg, "as") ?? "this");
	return scope => {
		const list = inputList("$filter", 28651, input(scope));
		if (!list) return null;
		const inner = bind(scope);
		const found = list.filter(v => {
			inner.vars[name] = v;
			return isTrue(test(inner));
		});
		const most = limit(scope);
		return isNil(most) ? found : found.slice(0, toNumber(most));
	};
}

function reduce(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const initial = compile(part(arg, "initialValue"));
	const each = compile(part(arg, "in"));
	return scope => {
		const list = inputList("$reduce", 40080, input(scope));
		if (!list) return null;
		const inner = bind(scope);
		let value = initial(scope);
		for (const v of list) {
			inner.vars["this"] = v;
			inner.vars["value"] = value;
			value = each(inner);
		}
		return value;
	};
}

function setField(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const field = compile(part(arg, "field"));
	const value = compile(part(arg, "value"));
	return scope => {
		const v = input(scope);
		if (isNil(v)) return null;
		if (!isPlain(v)) throw located(4161105, `$setField requires 'input' to evaluate to type Object`);
		const out: Doc = { ...v };
		const key = String(field(scope));
		const next = value(scope);
		if (next === undefined) delete out[key];
		else set(out, key, next);
		return out;
	};
}

function getField(arg: unknown, compile: Compile): Run {
	const isShort = !isPlain(arg) || !("field" in arg);
	const field = compile(isShort ? arg : part(arg, "field"));
	const input = compile(isShort ? "$$CURRENT" : part(arg, "input"));
	return scope => own(input(scope), String(field(scope)));
}

function cond(arg: unknown, compile: Compile): Run {
	const [test, then, otherwise] = (
		Array.isArray(arg) ? arg : [part(arg, "if"), part(arg, "then"), part(arg, "else")]
	).map(compile);
	if (!test || !then || !otherwise) throw located(16020, "Expression $cond takes exactly 3 arguments");
	return scope => (isTrue(test(scope)) ? then(scope) : otherwise(scope));
}

function choose(arg: unknown, compile: Compile): Run {
	const branches = (part(arg, "branches") as Doc[]).map(b => [compile(b["case"]), compile(b["then"])] as const);
	const hasDefault = isPlain(arg) && "default" in arg;
	const fallback = compile(part(arg, "default"));
	return scope => {
		for (const [test, then] of branches) if (isTrue(test(scope))) return then(scope);
		if (!hasDefault) throw located(40066, "$switch could not find a matching branch for an input");
		return fallback(scope);
	};
}

function letIn(arg: unknown, compile: Compile): Run {
	const vars = Object.entries(part(arg, "vars") as Doc).map(([k, e]) => [k, compile(e)] as const);
	const body = compile(part(arg, "in"));
	return scope => {
		const inner = bind(scope);
		for (const [name, run] of vars) inner.vars[name] = run(scope);
		return body(inner);
	};
}

function sortArray(arg: unknown, compile: Compile): Run {
	const input = compile(part(arg, "input"));
	const by = part(arg, "sortBy");
	const order = isPlain(by) ? orderOf(by) : (a: unknown, b: unknown) => toNumber(by) * compare(a, b);
	return scope => inputList("$sortArray", 2942504, input(scope))?.toSorted(order) ?? null;
}

/** Evaluated as they go: branches not taken are not computed, variables are bound. */
export const SCOPED: Record<string, (arg: unknown, compile: Compile) => Run> = {
	$and: (arg, compile) => {
		const tests = (Array.isArray(arg) ? arg : [arg]).map(compile);
		return scope => tests.every(run => isTrue(run(scope)));
	},
	$or: (arg, compile) => {
		const tests = (Array.isArray(arg) ? arg : [arg]).map(compile);
		return scope => tests.some(run => isTrue(run(scope)));
	},
	$ifNull: (arg, compile) => {
		const list = (arg as unknown[]).map(compile);
		return scope => {
			let v: unknown;
			for (const run of list) {
				v = run(scope);
				if (!isNil(v)) return v;
			}
			return v;
		};
	},
	$cond: cond,
	$switch: choose,
	$let: letIn,
	$map: map,
	$filter: filter,
	$reduce: reduce,
	$setField: setField,
	$unsetField: (arg, compile) => setField({ ...(arg as Doc), value: "$$REMOVE" }, compile),
	$getField: getField,
	$sortArray: sortArray,
};
