import type { Model } from "mongoose";
import { parseEmail } from "../../lib/email.ts";
import { isDuplicateKey } from "../../lib/errors.ts";
import type { AccountDocument } from "./auth.model.ts";

const OTHER_THAN_ASCII = /[^ -~]/;

/**
 * Accounts that an earlier version wrote keep the domain of another script as it was typed; who signs in is looked for
 * by the spelling of mail servers. One whose address has got an account meanwhile stays as it is. Safe to run on every
 * node, at every start.
 */
export async function adoptAccounts(accounts: Model<AccountDocument>): Promise<void> {
	const found = accounts.find({ email: OTHER_THAN_ASCII }, { email: 1 }).lean().cursor();
	for await (const { _id, email: typed } of found as AsyncIterable<Pick<AccountDocument, "_id" | "email">>) {
		const email = parseEmail(typed);
		if (email === undefined) continue;
		await accounts.updateOne({ _id, email: typed }, { $set: { email } }).catch((error: unknown) => {
			if (!isDuplicateKey(error)) throw error;
		});
	}
}
