import * as fs from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";

/** What the journal asks of the disk; a test puts a failing one in its place. */
export interface Disk {
	/** May write less than asked, as the system call may. */
	write(fd: number, data: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
	sync(fd: number): Promise<void>;
}

const write = promisify(fs.write) as (
	fd: number,
	data: Uint8Array,
	offset: number,
	length: number,
) => Promise<{ bytesWritten: number }>;
const fdatasync = promisify(fs.fdatasync);

export const realDisk: Disk = {
	write: (fd, data, offset, length) => write(fd, data, offset, length),
	sync: fd => fdatasync(fd),
};

/** Writes all of it, however many calls that takes. */
export async function writeAll(disk: Disk, fd: number, data: Uint8Array): Promise<void> {
	for (let at = 0; at < data.length; ) {
		const { bytesWritten } = await disk.write(fd, data, at, data.length - at);
		if (bytesWritten <= 0) throw new Error("the disk took nothing of a write");
		at += bytesWritten;
	}
}

/** Makes a new or renamed file's name durable. Windows cannot open a folder for that and needs not. */
export function syncDirectoryOf(file: string): void {
	if (process.platform === "win32") return;
	const fd = fs.openSync(dirname(file), "r");
	try {
		fs.fsyncSync(fd);
	} finally {
		fs.closeSync(fd);
	}
}

/** A disk that is full after so many bytes: a test aid, the only way to have one on every machine. */
export function fullDisk(capacity: number): Disk {
	let left = capacity;
	return {
		write: async (fd, data, offset, length) => {
			if (left <= 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
			const fits = Math.min(length, left);
			left -= fits;
			return realDisk.write(fd, data, offset, fits);
		},
		sync: realDisk.sync,
	};
}
