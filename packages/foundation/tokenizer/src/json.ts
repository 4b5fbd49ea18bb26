/** Plain data: what survives `JSON.parse(JSON.stringify(value))` unchanged. Configurations are made of it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** A JSON object. An absent member may also be written as `undefined`: it is left out when saved. */
export type JsonObject = { readonly [key: string]: Json | undefined };
