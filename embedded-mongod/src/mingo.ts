// mingo computes the operators and stages that are not written here: dates, strings, trigonometry, windows.

import { Aggregator } from "mingo/aggregator";
import { Context, evalExpr } from "mingo/core";
import * as accumulator from "mingo/operators/accumulator";
import * as expression from "mingo/operators/expression";
import * as pipeline from "mingo/operators/pipeline";
import * as projection from "mingo/operators/projection";
import * as query from "mingo/operators/query";
import * as window from "mingo/operators/window";
import type { Options } from "mingo/types";
import { MongoError } from "./errors.ts";
import { forMingo } from "./expression-numbers.ts";
import type { Evaluation, Run } from "./expressions.ts";
import { type Doc, isPlain } from "./values.ts";

const context = Context.init({ accumulator, expression, pipeline, projection, query, window } as unknown as Parameters<
	typeof Context.init
>[0]);
const known = { ...expression } as unknown as Record<string, unknown>;
const stages = { ...pipeline } as unknown as Record<string, unknown>;

function options(evaluation: Evaluation, resolve?: (name: string) => Doc[]): Partial<Options> {
	return {
		context,
		// $setWindowFields is made of it; a client cannot send a function.
		scriptEnabled: true,
		variables: evaluation.vars,
		...(resolve ? { collectionResolver: resolve } : {}),
	};
}

/** @throws MongoError with MongoDB's code when the operator does not exist */
export function mingoOperator(name: string, arg: unknown, compile: (e: unknown) => Run, evaluation: Evaluation): Run {
	if (!(name in known) || name === "$function") {
		throw new MongoError(168, "InvalidPipelineOperator", `Unrecognized expression '${name}'`);
	}
	const settled = options(evaluation);
	const call = (given: unknown) => guardedCall(forMingo(given, name));
	const guardedCall = (v: unknown) => guarded(40324, () => evalExpr({}, { [name]: v }, settled as Options));
	if (Array.isArray(arg)) {
		const items = arg.map(compile);
		return scope => call(items.map(run => literal(run(scope))));
	}
	if (isPlain(arg) && !Object.keys(arg)[0]?.startsWith("$")) {
		const fields = Object.entries(arg).map(([k, e]) => [k, compile(e)] as const);
		return scope => call(Object.fromEntries(fields.map(([k, run]) => [k, literal(run(scope))])));
	}
	const whole = compile(arg);
	return scope => call(literal(whole(scope)));
}

/** Computed values go in as they are where mingo may look at them unevaluated, quoted where it would evaluate them. */
function literal(v: unknown): unknown {
	return (typeof v === "object" && v !== null) || (typeof v === "string" && v.startsWith("$")) ? { $literal: v } : v;
}

/** A pipeline stage that is not written here. */
export function mingoStage(stage: Doc, docs: Doc[], evaluation: Evaluation, resolve: (name: string) => Doc[]): Doc[] {
	const name = Object.keys(stage)[0] ?? "";
	if (!(name in stages)) throw new MongoError(40324, "Location40324", `Unrecognized pipeline stage name: '${name}'`);
	// mingo's stages may change what they are given, and stored documents are shared: these are copies.
	const copies = docs.map(doc => forMingo(doc, name) as Doc);
	const read = (from: string) => resolve(from).map(doc => forMingo(doc, name) as Doc);
	return guarded(40324, () => new Aggregator([stage], options(evaluation, read)).run<Doc>(copies));
}

function guarded<T>(code: number, run: () => T): T {
	try {
		return run();
	} catch (error) {
		if ((error as Error).name === "MongoError") throw error;
		throw new MongoError(code, `Location${code}`, (error as Error).message);
	}
}

/** An accumulator of `$group` that is not written here, over the group's documents. */
export function mingoAccumulator(name: string, arg: unknown, evaluation: Evaluation): (docs: Doc[]) => unknown {
	const fn = context.getOperator("accumulator" as Parameters<typeof context.getOperator>[0], name);
	if (!fn || name === "$accumulator") {
		throw new MongoError(15952, "Location15952", `unknown group operator '${name}'`);
	}
	const settled = options(evaluation);
	return docs =>
		guarded(15952, () =>
			evalExpr(
				docs.map(doc => forMingo(doc, name)),
				{ [name]: arg },
				settled as Options,
			),
		);
}
