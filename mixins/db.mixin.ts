import type { Service, ServiceBroker, ServiceSchema } from "moleculer";
import DbService from "moleculer-db";
import MongooseAdapter from "moleculer-db-adapter-mongoose";
import mongoose, { type Connection, type Document, type Model, type Schema } from "mongoose";
import { type AppBroker, defineMixin } from "../lib/typed.ts";

// The adapter turns unknown filter fields into no filter at all (`removeMany({ typo })` would delete everything).
mongoose.set("strictQuery", "throw");

/** A collection of a service: its name and its schema, indexes included. */
export interface ModelDefinition<T> {
	collection: string;
	schema: Schema<T>;
}

export const defineModel = <T>(collection: string, schema: Schema<T>): ModelDefinition<T> => ({ collection, schema });

type Definitions = Record<string, ModelDefinition<never>>;
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

/**
 * Gives a service its own database: one model per definition, collections and indexes made at the start. The actions
 * that moleculer-db brings are switched off: queries live in repositories.
 *
 *     mixins: [db({ orders: orderModel })]   // this.models.orders
 */
export function db<const D extends Record<string, ModelDefinition<never>> | Record<string, unknown>>(
	definitions: D,
): Partial<ServiceSchema> {
	const moleculerDb = DbService as unknown as Partial<ServiceSchema>;
	const own = defineMixin<DbVars<Definitions>>({
		created() {
			// One adapter per service instance: a schema is shared by every broker of the process.
			Object.assign(this.schema, { adapter: new SharedConnectionAdapter("") });
			const connection = (this.broker as AppBroker).stoa.database.of(this.name);
			this.models = Object.fromEntries(
				Object.entries(definitions as Definitions).map(([name, { collection, schema }]) => [
					name,
					connection.models[collection] ?? connection.model(collection, schema, collection),
				]),
			) as ModelsOf<Definitions>;
		},
		async started() {
			await Promise.all(
				Object.values(this.models).map(async model => {
					await model.createCollection();
					await model.createIndexes();
				}),
			);
		},
	});
	return {
		// `own.created` must run before moleculer-db's, which hands the models to the adapter.
		mixins: [
			{
				...moleculerDb,
				actions: Object.fromEntries(Object.keys(moleculerDb.actions ?? {}).map(name => [name, false])),
			},
			own,
		],
	};
}
