import mongoose, { type Connection } from "mongoose";

const TIMEOUT_MS = 5_000;
const PAGE = 500;
/** Written on every query, so that a profiler can tell them from the shop's own. */
export const CHECKER = "invariants";

/** A document as it is kept: what the driver finds, `_id` first. */
export interface Stored {
	_id: string;
}
export interface Query {
	filter?: object;
	sort?: Record<string, 1 | -1>;
	fields?: readonly string[];
}

/** Reads a shop's databases and changes nothing. What it gives at once is a page, never a collection. */
export class Reader {
	readonly #connection: Connection;
	readonly #page: number;

	private constructor(connection: Connection, page: number) {
		this.#connection = connection;
		this.#page = page;
	}

	/**
	 * @param work has the reader until it ends
	 * @param page documents that are looked at together
	 */
	static async on<T>(mongodbUri: string, work: (reader: Reader) => Promise<T>, page = PAGE): Promise<T> {
		const connection = await mongoose
			.createConnection(mongodbUri, { serverSelectionTimeoutMS: TIMEOUT_MS })
			.asPromise();
		try {
			return await work(new Reader(connection, page));
		} finally {
			await connection.close();
		}
	}

	/** One document after the other, as the database hands them out. */
	async *each<T>(service: string, collection: string, query: Query = {}): AsyncGenerator<T> {
		const { filter = {}, sort, fields } = query;
		const projection = fields && Object.fromEntries(fields.map(field => [field, 1]));
		const cursor = this.#database(service)
			.collection(collection)
			.find(filter, {
				comment: CHECKER,
				batchSize: PAGE,
				...(projection ? { projection } : {}),
				...(sort ? { sort } : {}),
			});
		try {
			for await (const document of cursor) yield document as unknown as T;
		} finally {
			await cursor.close();
		}
	}

	/** For lists that are known to be short: those of one page's documents. */
	async all<T>(service: string, collection: string, query: Query = {}): Promise<T[]> {
		const found: T[] = [];
		for await (const document of this.each<T>(service, collection, query)) found.push(document);
		return found;
	}

	/** By `_id`, in pages. Each comes with the stretch of ids it covers: together they cover all ids there can be. */
	async *pages<T extends Stored>(
		service: string,
		collection: string,
		query: Omit<Query, "sort"> = {},
	): AsyncGenerator<{ documents: T[]; stretch: Stretch }> {
		let documents: T[] = [];
		let after: string | undefined;
		for await (const document of this.each<T>(service, collection, { ...query, sort: { _id: 1 } })) {
			if (documents.length === this.#page) {
				const upTo = documents.at(-1)?._id;
				yield { documents, stretch: { after, upTo } };
				documents = [];
				after = upTo;
			}
			documents.push(document);
		}
		yield { documents, stretch: { after, upTo: undefined } };
	}

	/** Those of one page's references, in one query. */
	byIds<T>(service: string, collection: string, field: string, ids: Iterable<string>, fields?: string[]): Promise<T[]> {
		const wanted = [...new Set(ids)];
		if (wanted.length === 0) return Promise.resolve([]);
		return this.all(service, collection, { filter: { [field]: { $in: wanted } }, ...(fields ? { fields } : {}) });
	}

	async hasCollection(service: string, collection: string): Promise<boolean> {
		return (
			(await this.#database(service).listCollections({ name: collection }, { nameOnly: true }).toArray()).length > 0
		);
	}

	/** By the database's clock: the shop's deadlines are measured by it. */
	async now(): Promise<Date> {
		const { localTime } = await this.#database("admin").command({ hello: 1 });
		return localTime instanceof Date ? localTime : new Date();
	}

	#database(service: string) {
		const { db } = this.#connection.useDb(service, { useCache: true });
		if (!db) throw new Error("The database connection has no database");
		return db;
	}
}

/** The ids behind one and up to another; without an end it goes on for ever. */
export interface Stretch {
	after: string | undefined;
	upTo: string | undefined;
}

/** Values that lie in a stretch. */
export const within = ({ after, upTo }: Stretch): object => ({
	$gt: after ?? "",
	...(upTo === undefined ? {} : { $lte: upTo }),
});

/** Ids like `<id>:<rest>` whose first part lies in a stretch: `;` is what comes after `:`. */
export const withinPrefixed = ({ after, upTo }: Stretch): object => ({
	$gte: after === undefined ? "" : `${after};`,
	...(upTo === undefined ? {} : { $lt: `${upTo};` }),
});
