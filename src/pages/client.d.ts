/** A random UUID; `crypto.randomUUID` is missing on a page over plain HTTP. */
export function uuid(): string;
/**
 * A client of the server.
 *
 * @param {Options} [options]
 * @returns {Client}
 */
export function connect(options?: Options): Client;
/**
 * The amounts of an order, in minor units of its currency, exactly as the server works them out: see "Amounts" in
 * docs/protocol.md. Quantities and tax rates are in thousandths.
 *
 * @param {{quantity: number, unit_price: number, discount?: number, tax_rate?: number | null}[]} lines
 * @param {{discount?: number, rounding?: number, added?: boolean}} [terms] `added`: the prices are without the tax
 */
export function amounts(lines: {
    quantity: number;
    unit_price: number;
    discount?: number;
    tax_rate?: number | null;
}[], { discount, rounding, added }?: {
    discount?: number;
    rounding?: number;
    added?: boolean;
}): {
    line_totals: number[];
    taxes: {
        rate: number;
        net: number;
        tax: number;
    }[];
    tax_total: number;
    total: number;
};
export type State = "connecting" | "catching_up" | "live" | "offline" | "signed_out";
export type OutboxState = "pending" | "sending" | "sent" | "refused" | "blocked";
export type Row = {
    [field: string]: any;
    id: number;
};
/**
 * The body of `POST /api/sales`.
 */
export type Sale = {
    [field: string]: any;
};
export type ShopEvent = {
    event: string;
    data: Row;
    timestamp: string;
    seq: number;
};
export type Problem = {
    code: string;
    detail: string;
    status: number;
    errors?: {
        field: string;
        code: string;
        message: string;
    }[] | undefined;
};
export type Options = {
    /**
     * The server's address, such as `http://192.168.1.10:3000`; else that of the page.
     */
    url?: string | undefined;
    /**
     * A device's token; else the page's cookie.
     */
    token?: string | undefined;
    /**
     * The class of the sockets; else the global one.
     */
    WebSocket?: any;
    /**
     * Else the global one.
     */
    fetch?: typeof fetch | undefined;
    /**
     * Keeps the position and the clock's offset; else
     * `sessionStorage` and `localStorage`.
     */
    storage?: Pick<Storage, "getItem" | "setItem"> | undefined;
};
export type Reply = {
    status: number;
    /**
     * The JSON, or null.
     */
    body: any;
    /**
     * The position in the event log of what was read; 0 if it read nothing of the shop.
     */
    seq: number;
    /**
     * The version of what was read, for `If-Match`; empty for a list.
     */
    etag: string;
    /**
     * The time that the server asks to wait before the next try; milliseconds.
     */
    retryAfter: number;
};
/**
 * An entry of the outbox.
 */
export type Entry = {
    /**
     * The sale's `client_id`.
     */
    id: string;
    /**
     * The time at which it was added; milliseconds since 1970.
     */
    at: number;
    sale: Sale;
    state: OutboxState;
    /**
     * What the server said to a sale that it has: the order, its transactions, the change.
     */
    reply?: any;
    /**
     * The reason of a refusal.
     */
    problem?: Problem | undefined;
};
/**
 * A list that stays as it is on the server.
 */
export type List = {
    /**
     * The rows, newest first unless `order=asc`. A new array after each change.
     */
    items: readonly Row[];
    /**
     * `connecting` until the rows are there, then the state of the connection;
     * `refused` with `problem`.
     */
    state: State | "refused";
    problem: Problem | undefined;
    /**
     * Calls it after each change, until the returned function
     * is called.
     */
    subscribe: (listener: () => void) => () => void;
    /**
     * The rows; the same array until they change.
     */
    getSnapshot: () => readonly Row[];
    close: () => void;
};
/**
 * The sales that the server does not have yet, and the last that it has.
 */
export type Outbox = {
    /**
     * Whether sales survive a reload. Without that, `add` sells only while the server is
     * there.
     */
    isDurable: boolean;
    /**
     * Takes a sale. Without a `client_id` it gets
     * one; without `sold_at` it is sold now (`sold_at: null` asks the server first, as a kiosk must). It resolves once
     * the sale is on the disk; `done` resolves once the server has it or has refused it, and rejects if a person removes
     * it before. A repeat of a `client_id` gives the entry that is there.
     */
    add: (sale: Sale) => Promise<Entry & {
        done: Promise<Entry>;
    }>;
    /**
     * The entries, in their order.
     */
    list: () => Promise<Entry[]>;
    /**
     * Sends a refused or blocked entry again, perhaps changed
     * by a person.
     */
    retry: (id: string, sale?: Sale) => Promise<void>;
    /**
     * Forgets an entry; only a person may ask for it.
     */
    remove: (id: string) => Promise<void>;
};
export type Listen = {
    (name: "state", listener: (change: {
        state: State;
        before: State;
    }) => void): () => void;
    (name: "outbox", listener: (entries: Entry[]) => void): () => void;
    (name: "reset", listener: (lost: {
        channel: string;
    }) => void): () => void;
    (name: "version" | "problem", listener: (told: string) => void): () => void;
    (name: string, listener: (event: ShopEvent) => void): () => void;
};
export type Ask = (method: string, path: string, body?: any, headers?: {
    [name: string]: string;
}) => Promise<Reply>;
export type Client = {
    state: State;
    /**
     * Calls `listener` for each event of that name, such as `order:created`, or of `order`; for
     * `state` of the connection; for `outbox` with its entries; for `version` with the server's, first and when it
     * changes; for `reset` when events were lost; for `problem` when the server names a mistake of the client. Events
     * that came while the page was reloaded follow first. The returned function ends it.
     */
    on: Listen;
    /**
     * A list that stays as it is on the server, such
     * as `/api/orders?status=pending`. With `keep`, a page that opens without the server shows it as it was.
     */
    live: (path: string, options?: {
        keep?: boolean;
    }) => List;
    outbox: Outbox;
    /**
     * Asks the server. Rejects only where it could not be reached.
     */
    request: Ask;
    /**
     * The server's time; milliseconds since 1970.
     */
    now: () => number;
    /**
     * Tries at once, for example after a login.
     */
    retry: () => void;
    /**
     * Ends the connection, and all lists.
     */
    close: () => void;
};
