import type { Service, ServiceBroker, ServiceSchema } from "moleculer";
import DbService from "moleculer-db";
import MongooseAdapter from "moleculer-db-adapter-mongoose";
import mongoose, { type Connection, type Document, type Model, type Schema } from "mongoose";
import { defineMixin } from "../lib/typed.ts";

// The adapter turns unknown filter fields into no filter at all (`removeMany({ typo })` would delete everything).
mongoose.set("strictQuery", "throw");

/** A collection of a service: its name and its schema, indexes included. */
export interface ModelDefinition<T> {
	collection: string;
	schema: Schema<T>;
}

export const defineModel = <T>(collection: string, schema: Schema<T>): ModelDefinition<T> => ({ collection, schema });

// biome-ignore lint/suspicious/noExplicitAny: a schema is invariant in its document; each service names its own
type Definitions = Record<string, ModelDefinition<any>>;
export type ModelsOf<D> = { [K in keyof D]: D[K] extends ModelDefinition<infer T> ? Model<T> : never };

/** What the mixin adds to `this`: the service's Mongoose models, by the names of the definitions. */
export interface DbVars<D> {
	models: ModelsOf<D>;
}

/**
 * moleculer-db-adapter-mongoose on the node's shared connection. The adapter as it stands registers models on
 * Mongoose's default connection and closes it for every service of the process; this one does neither.
 */
class SharedConnectionAdapter extends MongooseAdapter<Document> {
	conn?: Connection;

	override init(broker: ServiceBroker, service: Service): void {
		this.broker = broker;
		this.service = service;
		const { models } = service as unknown as { models: Record<string, Model<Document>> };
		const [first] = Object.values(models);
		if (!first) throw new Error(`The service ${service.name} has the db mixin but no model`);
		this.model = first;
	}

	override async connect(): Promise<void> {
		this.conn = await (this.model.db as Connection).asPromise();
		if (!this.conn.db) throw new Error("The database connection has no database");
		this.db = this.conn.db as unknown as typeof this.db;
	}

	/** The node owns the connection and closes it after its last service. */
	override async disconnect(): Promise<void> {
		await Promise.resolve();
	}
}

/** IndexOptionsConflict, IndexKeySpecsConflict. */
const CONFLICTS: ReadonlySet<unknown> = new Set([85, 86]);
const INDEX_NOT_FOUND = 27;
/** Nodes of two versions may start at once; the last one has its way. */
const INDEX_ATTEMPTS = 5;

const codeOf = (error: unknown): unknown =>
	typeof error === "object" && error !== null && "code" in error ? error.code : undefined;

/**
 * Makes the indexes of a schema. One that an earlier version made with other options (how long documents are kept, say)
 * gives way to the one of now: a shop that was running must start.
 */
async function createIndexes(model: Model<unknown>): Promise<void> {
	for (let attempt = 1; ; attempt++) {
		try {
			await model.createIndexes();
			return;
		} catch (error) {
			if (!CONFLICTS.has(codeOf(error)) || attempt >= INDEX_ATTEMPTS) throw error;
		}
		const { toDrop, toCreate } = await model.diffIndexes();
		const wanted = new Set(toCreate.map(keys => nameOfIndex(keys as object)));
		for (const name of toDrop.filter(old => wanted.has(old))) {
			await model.collection.dropIndex(name).catch(error => {
				if (codeOf(error) !== INDEX_NOT_FOUND) throw error;
			});
		}
	}
}

const nameOfIndex = (keys: object): string =>
	Object.entries(keys)
		.map(([field, order]) => `${field}_${order}`)
		.join("_");

/**
 * Gives a service collections in its own database; they and their indexes are made at the start.
 * Services use `db`; mixins that keep something of their own (events, an inbox) use this.
 */
export function collections(definitions: Definitions): Partial<ServiceSchema> {
	return defineMixin<DbVars<Definitions>>({
		created() {
			const connection = this.broker.stoa.database.of(this.name);
			const own = Object.entries(definitions).map(([name, { collection, schema }]) => [
				name,
				connection.models[collection] ?? connection.model(collection, schema, collection),
			]);
			this.models = { ...this.models, ...Object.fromEntries(own) };
		},
		async started() {
			await Promise.all(
				Object.keys(definitions).map(async name => {
					const model = this.models[name];
					await model?.createCollection();
					if (model) await createIndexes(model);
				}),
			);
		},
	});
}

/**
 * A service's database through moleculer-db and its Mongoose adapter: one model per definition. The actions that
 * moleculer-db brings are switched off: queries live in repositories.
 *
 *     mixins: [db({ orders: orderModel })]   // this.models.orders
 */
export function db(definitions: Definitions): Partial<ServiceSchema> {
	const moleculerDb = DbService as unknown as Partial<ServiceSchema>;
	const actions = Object.fromEntries(Object.keys(moleculerDb.actions ?? {}).map(name => [name, false as const]));
	const withAdapter: Partial<ServiceSchema> = {
		created() {
			// One adapter per service instance: a schema is shared by every broker of the process.
			Object.assign(this.schema, { adapter: new SharedConnectionAdapter("") });
		},
	};
	// Moleculer runs the last mixin's lifecycle first: the models are there before the adapter asks for them.
	return { mixins: [{ ...moleculerDb, actions }, withAdapter, collections(definitions)] };
}
