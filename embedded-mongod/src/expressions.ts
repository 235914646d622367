// Aggregation expressions, compiled once into functions. Missing is `undefined` and is not null, as in MongoDB.
import { MongoError } from "./errors.ts";
import { OPERATORS } from "./expression-operators.ts";
import { SCOPED } from "./expression-scopes.ts";
import { mingoOperator } from "./mingo.ts";
import { entriesOf } from "./order.ts";
import { type Doc, isPlain, isTrue, own, set } from "./values.ts";

/** What an expression is evaluated in: the document and the variables around it. */
export interface Scope {
	root: unknown;
	vars: Doc;
}
export type Run = (scope: Scope) => unknown;

/** One command's view of the world: `$$NOW` is the same for all of it, `let` gives its variables. */
export class Evaluation {
	readonly now: Date;
	readonly vars: Doc;

	constructor(vars: Doc = {}, now: Date = new Date()) {
		this.now = now;
		this.vars = vars;
	}

	/** @throws MongoError on what is no expression, before any document is seen */
	compile(expression: unknown): (doc: unknown) => unknown {
		const run = compileExpression(expression, this);
		return doc => run({ root: doc, vars: this.vars });
	}

	/** The same moment with further variables. */
	with(vars: Doc): Evaluation {
		return new Evaluation({ ...this.vars, ...vars }, this.now);
	}

	isTrue(v: unknown): boolean {
		return isTrue(v);
	}
}

export function compileExpression(expression: unknown, evaluation: Evaluation): Run {
	if (typeof expression === "string") {
		return expression.startsWith("$") ? pathExpression(expression, evaluation) : () => expression;
	}
	if (Array.isArray(expression)) {
		const items = expression.map(e => compileExpression(e, evaluation));
		return scope => items.map(run => run(scope) ?? null);
	}
	if (!isPlain(expression)) return () => expression;
	const keys = Object.keys(expression);
	const [first] = keys;
	if (first?.startsWith("$")) {
		if (keys.length > 1) {
			throw new MongoError(
				15983,
				"Location15983",
				`An object representing an expression must have exactly one field: ${keys.join(", ")}`,
			);
		}
		return operatorExpression(first, expression[first], evaluation);
	}
	return objectExpression(expression, evaluation);
}

function objectExpression(expression: Doc, evaluation: Evaluation): Run {
	const fields = entriesOf(expression).map(([k, e]) => [k, compileExpression(e, evaluation)] as const);
	return scope => {
		const out: Doc = {};
		for (const [key, run] of fields) {
			const v = run(scope);
			if (v !== undefined) set(out, key, v);
		}
		return out;
	};
}

function operatorExpression(name: string, arg: unknown, evaluation: Evaluation): Run {
	if (name === "$literal" || name === "$const") return () => arg;
	const compile = (e: unknown) => compileExpression(e, evaluation);
	const scoped = SCOPED[name];
	if (scoped) return scoped(arg, compile);
	const operator = OPERATORS[name];
	if (operator) {
		const args = (Array.isArray(arg) ? arg : [arg]).map(compile);
		// A single argument may be given without its array: { $size: "$items" }.
		const isWhole = !Array.isArray(arg);
		return scope =>
			operator(
				args.map(run => run(scope)),
				isWhole,
			);
	}
	return mingoOperator(name, arg, compile, evaluation);
}

const SPECIAL = new Set(["KEEP", "PRUNE", "DESCEND"]);

function pathExpression(text: string, evaluation: Evaluation): Run {
	if (!text.startsWith("$$")) {
		const parts = text.slice(1).split(".");
		const [only] = parts;
		if (only !== undefined && parts.length === 1) {
			return scope => (isPlain(scope.root) ? own(scope.root, only) : undefined);
		}
		return scope => fieldOf(scope.root, parts, 0);
	}
	const [name = "", ...rest] = text.slice(2).split(".");
	const source = variable(name, evaluation);
	return rest.length ? scope => fieldOf(source(scope), rest, 0) : source;
}

function variable(name: string, evaluation: Evaluation): Run {
	switch (name) {
		case "ROOT":
		case "CURRENT":
			return scope => scope.root;
		case "NOW":
			return () => evaluation.now;
		case "REMOVE":
			return () => undefined;
		default:
			if (SPECIAL.has(name)) return () => `$$${name}`;
			return scope => {
				if (!Object.hasOwn(scope.vars, name)) {
					throw new MongoError(17276, "Location17276", `Use of undefined variable: ${name}`);
				}
				return scope.vars[name];
			};
	}
}

/** A field path in an expression maps over arrays and knows no positions: `$lines.0` is not the first line. */
function fieldOf(v: unknown, parts: readonly string[], i: number): unknown {
	const part = parts[i];
	if (part === undefined) return v;
	if (Array.isArray(v)) {
		const out: unknown[] = [];
		for (const e of v) {
			const found = isPlain(e) || Array.isArray(e) ? fieldOf(e, parts, i) : undefined;
			if (found !== undefined) out.push(found);
		}
		return out;
	}
	return isPlain(v) ? fieldOf(own(v, part), parts, i + 1) : undefined;
}
