// A client in JavaScript that holds a key: signs in, refreshes and asks with proofs (RFC 9449).
// node client.mjs AUTH_URL EMAIL PASSWORD ALGORITHM
import { createHash, randomUUID } from "node:crypto";
import { SignJWT, exportJWK, generateKeyPair } from "jose";

const [base, email, password, algorithm] = process.argv.slice(2);
const { publicKey, privateKey } = await generateKeyPair(algorithm);
const jwk = await exportJWK(publicKey);

async function ask(method, path, options = {}, token) {
  const url = base + path;
  const ath = token && createHash("sha256").update(token).digest("base64url");
  const claims = { htm: method, htu: url, jti: randomUUID(), ...(ath && { ath }) };
  const proof = await new SignJWT(claims).setProtectedHeader({ typ: "dpop+jwt", alg: algorithm, jwk }).setIssuedAt().sign(privateKey);
  const headers = { DPoP: proof, ...(token && { Authorization: `DPoP ${token}` }), ...options.headers };
  const answer = await fetch(url, { method, ...options, headers });
  return { status: answer.status, body: await answer.json() };
}

const json = { headers: { "Content-Type": "application/json" } };
const signedIn = await ask("POST", "/auth/v1/sessions", { ...json, body: JSON.stringify({ email, password }) });
const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: signedIn.body.refresh_token });
const refreshed = await ask("POST", "/auth/oauth2/token", { body: form });
const session = await ask("GET", "/auth/v1/sessions/current", {}, refreshed.body.access_token);
const types = [signedIn.body.token_type, refreshed.body.token_type];
console.log(JSON.stringify({ statuses: [signedIn.status, refreshed.status, session.status], types }));
