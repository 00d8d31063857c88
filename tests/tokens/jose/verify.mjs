// Verifies an access token as a service in JavaScript would: node verify.mjs JWKS_URL ISSUER AUDIENCE ALGORITHM TOKEN
import { createRemoteJWKSet, jwtVerify } from "jose";

const [url, issuer, audience, algorithm, token] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(url));
const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: [algorithm], typ: "at+jwt" });
console.log(JSON.stringify(payload));
