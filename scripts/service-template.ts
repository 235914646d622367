/** What `new:service` writes. A service in miniature: one aggregate, kept in its own database, made and read over REST. */

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*s$/;
const RESERVED = new Set(["services", "nodes", "actions", "events"]);

export function nameProblem(name: string): string | undefined {
	if (!NAME.test(name)) return `"${name}" is no name for a service`;
	if (RESERVED.has(name)) return `"${name}" is Moleculer's own word`;
	return undefined;
}

/** The files of a new service, by their paths from the root. */
export function filesOf(service: string): Record<string, string> {
	const words = service.split("-");
	const pascal = words.map(word => word[0]?.toUpperCase() + word.slice(1)).join("");
	const one = pascal.replace(/s$/, "");
	const camel = one[0]?.toLowerCase() + one.slice(1);
	const models = `${camel}Models`;
	const dir = `services/${service}`;
	const names = { service, pascal, one, camel, models };
	return {
		[`${dir}/${service}.contract.ts`]: contract(names),
		[`${dir}/${service}.model.ts`]: model(names),
		[`${dir}/${service}.repository.ts`]: repository(names),
		[`${dir}/domain/${fileOf(service)}.ts`]: domain(names),
		[`${dir}/${service}.service.ts`]: definition(names),
		[`test/integration/${service}.spec.ts`]: spec(names),
	};
}

interface Names {
	service: string;
	pascal: string;
	one: string;
	camel: string;
	models: string;
}

const contract = ({ service, pascal, one }: Names) => `import type { Action } from "../../lib/contracts.ts";

export interface ${one} {
	id: string;
	title: string;
	createdAt: string;
	version: number;
}

export interface ${pascal}Actions {
	/** Internal, idempotent by id. */
	"${service}.create": Action<{ id: string; title: string }, ${one}>;
	/** NOT_FOUND. */
	"${service}.get": Action<{ id: string }, ${one}>;
	/** VERSION_MISMATCH when it changed since. */
	"${service}.rename": Action<{ id: string; version: number; title: string }, ${one}>;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends ${pascal}Actions {}
}
`;

const model = ({ service, one, models }: Names) => `import { Schema } from "mongoose";
import { defineModel } from "../../mixins/db.mixin.ts";

export interface ${one}Document {
	_id: string;
	title: string;
	createdAt: Date;
	version: number;
}

const schema = new Schema<${one}Document>(
	{
		_id: { type: String, required: true },
		title: { type: String, required: true },
		createdAt: { type: Date, required: true },
		version: { type: Number, required: true },
	},
	{ versionKey: false },
);

export const ${models} = { ${propertyOf(service)}: defineModel("${service}", schema) };
`;

const repository = ({ service, pascal, one }: Names) => `import type { Model } from "mongoose";
import type { ${one}Document } from "./${service}.model.ts";

const MAX_TIME_MS = 5_000;

/** Every change is one conditional update; null means that its condition did not hold. */
export class ${pascal}Repository {
	readonly #model: Model<${one}Document>;

	constructor(model: Model<${one}Document>) {
		this.#model = model;
	}

	find(id: string): Promise<${one}Document | null> {
		return this.#model.findById(id).maxTimeMS(MAX_TIME_MS).lean<${one}Document>();
	}

	/** Makes it, or finds the one a repeat made. */
	async create({ _id, ...fields }: ${one}Document): Promise<${one}Document> {
		const made = await this.#model
			.findOneAndUpdate({ _id }, { $setOnInsert: fields }, { upsert: true, new: true, maxTimeMS: MAX_TIME_MS })
			.lean<${one}Document>();
		if (!made) throw new Error("It was neither made nor found");
		return made;
	}

	rename(id: string, version: number, title: string): Promise<${one}Document | null> {
		return this.#model
			.findOneAndUpdate(
				{ _id: id, version },
				{ $set: { title }, $inc: { version: 1 } },
				{ new: true, maxTimeMS: MAX_TIME_MS },
			)
			.lean<${one}Document>();
	}
}
`;

const domain = ({ camel, one }: Names) => `import { DomainError } from "../../../lib/errors.ts";

/** A title as people mean it: without space around it, and not empty. @throws VALIDATION_ERROR */
export function titleOf${one}(text: string): string {
	const title = text.trim();
	if (title === "") throw new DomainError("VALIDATION_ERROR", "A ${camel} needs a title");
	return title;
}
`;

const definition = ({
	service,
	pascal,
	one,
	camel,
	models,
}: Names) => `import { DomainError, notFound } from "../../lib/errors.ts";
import { idRule, textRule } from "../../lib/rules.ts";
import { defineService } from "../../lib/typed.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { titleOf${one} } from "./domain/${fileOf(service)}.ts";
import type { ${one} } from "./${service}.contract.ts";
import { type ${one}Document, ${models} } from "./${service}.model.ts";
import { ${pascal}Repository } from "./${service}.repository.ts";

interface Vars extends DbVars<typeof ${models}> {
	repository: ${pascal}Repository;
}

export default defineService<Record<string, unknown>, object, Vars>()({
	name: "${service}",
	mixins: [db(${models})],
	actions: {
		get: {
			visibility: "public",
			isIdempotent: true,
			params: { id: idRule() },
			async handler(ctx) {
				const found = await this.repository.find(ctx.params.id);
				if (!found) throw notFound("The ${camel}");
				return to${one}(found);
			},
		},
		create: {
			visibility: "public",
			params: { id: idRule(), title: textRule(200) },
			async handler(ctx) {
				const title = titleOf${one}(ctx.params.title);
				const createdAt = this.broker.stoa.clock.now();
				return to${one}(await this.repository.create({ _id: ctx.params.id, title, createdAt, version: 1 }));
			},
		},
		rename: {
			visibility: "public",
			params: { id: idRule(), version: { type: "number", integer: true, min: 1 }, title: textRule(200) },
			async handler(ctx) {
				const { id, version, title } = ctx.params;
				const renamed = await this.repository.rename(id, version, titleOf${one}(title));
				if (!renamed) throw new DomainError("VERSION_MISMATCH", "It changed since; read it again");
				return to${one}(renamed);
			},
		},
	},
	created() {
		this.repository = new ${pascal}Repository(this.models.${propertyOf(service)});
	},
});

const to${one} = ({ _id, title, createdAt, version }: ${one}Document): ${one} => ({
	id: _id,
	title,
	createdAt: createdAt.toISOString(),
	version,
});
`;

const spec = ({ service, one }: Names) => `import { startTestNode, type TestNode } from "../support/node.ts";

describe("${service}", () => {
	let node: TestNode;

	beforeAll(async () => {
		node = await startTestNode({ services: ["${service}"] });
	}, 30_000);

	afterAll(() => node?.stop());

	it("makes one ${one.toLowerCase()}, however often it is asked to", async () => {
		const [first, second] = await Promise.all([
			node.broker.call("${service}.create", { id: "one_1", title: "First" }),
			node.broker.call("${service}.create", { id: "one_1", title: "First" }),
		]);
		expect(second).toEqual(first);
		expect(await node.broker.call("${service}.get", { id: "one_1" })).toEqual(first);
	});

	it("lets one of two writers win, and tells the other", async () => {
		const { id, version } = await node.broker.call("${service}.create", { id: "one_2", title: "Second" });
		const outcomes = await Promise.allSettled(
			["A", "B"].map(title => node.broker.call("${service}.rename", { id, version, title })),
		);
		const refused = outcomes.filter(outcome => outcome.status === "rejected");
		expect(refused.map(outcome => outcome.reason.type)).toEqual(["VERSION_MISMATCH"]);
	});

	it("says so when there is none", async () => {
		await expect(node.broker.call("${service}.get", { id: "one_9" })).rejects.toMatchObject({ type: "NOT_FOUND" });
	});
});
`;

/** As a property: `giftCards`. */
const propertyOf = (service: string): string =>
	service.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Its aggregate's file: `gift-card`. */
const fileOf = (service: string): string => service.replace(/s$/, "");
