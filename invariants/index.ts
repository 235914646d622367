import { checkCarts } from "./carts.ts";
import { checkDeliveries, checkHeard, checkPlaced } from "./effects.ts";
import { checkImports, checkOutboxes, checkParked } from "./endings.ts";
import { checkMade } from "./keys.ts";
import { checkNumbers, checkOrders } from "./order-books.ts";
import { checkLevels } from "./read-models.ts";
import { Reader } from "./reader.ts";
import { ShopPicture } from "./shop-picture.ts";
import { checkStock, noteJournals } from "./stock.ts";
import type { Violation } from "./violation.ts";

export type { Violation };

export interface Report {
	ok: boolean;
	/** How many of each were looked at. */
	checked: { skus: number; orders: number; payments: number; charges: number };
	/** The first of them: a shop that was damaged as a whole is told by a thousand as well as by a million. */
	violations: Violation[];
	/** All of them. */
	found: number;
}

const MAX_TOLD = 1_000;

/**
 * Checks that stock and money are right (I1–I5, I8), that keys and events had their effects once (I6, I7), that what was
 * answered is there (I9), that everything that was begun has ended (I10–I12) and that read models follow (I14). It reads
 * page by page. The databases are read one after the other, so on a shop at work a violation may be about what is under
 * way right now: repeat, and look at what stays.
 */
export function checkInvariants(mongodbUri: string, { page }: { page?: number } = {}): Promise<Report> {
	const check = async (reader: Reader): Promise<Report> => {
		const violations: Violation[] = [];
		let found = 0;
		const tell = (invariant: Violation["invariant"], subject: string, message: string) => {
			if (++found <= MAX_TOLD) violations.push({ invariant, subject, message });
		};
		const picture = new ShopPicture(await reader.now());
		await noteJournals(reader, picture);
		await checkOrders(reader, picture, tell);
		await checkNumbers(reader, tell);
		await checkStock(reader, picture, tell);
		await checkCarts(reader, tell);
		await checkPlaced(reader, picture, tell);
		await checkDeliveries(reader, picture.now, tell);
		await checkHeard(reader, tell);
		await checkMade(reader, tell);
		await checkLevels(reader, tell);
		await checkOutboxes(reader, picture.now, tell);
		await checkParked(reader, tell);
		await checkImports(reader, picture.now, tell);
		return { ok: found === 0, checked: picture.checked, violations, found };
	};
	return Reader.on(mongodbUri, check, page);
}
