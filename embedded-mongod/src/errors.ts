/** An error a client sees, with MongoDB's code and name. */
export class MongoError extends Error {
	readonly code: number;
	readonly codeName: string;
	/** Further fields of the reply, such as `keyPattern` and `keyValue`. */
	readonly extra: Record<string, unknown>;
	labels: string[] | undefined;

	constructor(code: number, codeName: string, message: string, extra: Record<string, unknown> = {}) {
		super(message);
		this.name = "MongoError";
		this.code = code;
		this.codeName = codeName;
		this.extra = extra;
	}
}

export const badValue = (message: string) => new MongoError(2, "BadValue", message);
export const failedToParse = (message: string) => new MongoError(9, "FailedToParse", message);
export const typeMismatch = (message: string) => new MongoError(14, "TypeMismatch", message);
export const notImplemented = (what: string) => new MongoError(238, "NotImplemented", `embedded-mongod has no ${what}`);
/** The many errors of aggregation whose name is their number. */
export const located = (code: number, message: string) => new MongoError(code, `Location${code}`, message);
