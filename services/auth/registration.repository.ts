import type { Model } from "mongoose";
import { newEvent } from "../../lib/events.ts";
import type { RegistrationDocument } from "./auth.model.ts";
import type { Registration, Registrations } from "./domain/ports.ts";

const MAX_TIME_MS = 5_000;

/** Registrations in MongoDB: each is written once, together with its event, and goes by itself when its link is too old. */
export class RegistrationRepository implements Registrations {
	readonly #model: Model<RegistrationDocument>;
	readonly #committed: (id: string) => void;

	/** @param committed is told of each registration whose outbox has something new */
	constructor(model: Model<RegistrationDocument>, committed: (id: string) => void) {
		this.#model = model;
		this.#committed = committed;
	}

	async add({ id, ...registration }: Registration, requestId?: string): Promise<void> {
		const about = { sequence: 1, now: registration.createdAt, ...(requestId === undefined ? {} : { requestId }) };
		const outbox = [newEvent("account.registered", { registrationId: id }, about)];
		await this.#model.create({ _id: id, ...registration, outbox });
		this.#committed(id);
	}

	async byId(id: string): Promise<Registration | null> {
		const document = await this.#model.findOne({ _id: id }).maxTimeMS(MAX_TIME_MS).lean<RegistrationDocument>();
		if (!document) return null;
		const { email, passwordHash, name, createdAt, expiresAt } = document;
		return { id, email, passwordHash, name, createdAt, expiresAt };
	}

	async forgetAllOf(email: string): Promise<void> {
		await this.#model.deleteMany({ email }, { maxTimeMS: MAX_TIME_MS });
	}
}
