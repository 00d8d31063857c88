// An OpenID Connect server on a free port of loopback. Its one argument is JSON: the redirect URIs. It prints its issuer.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const redirectUris = JSON.parse(process.argv[2]);
const server = createServer();

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "orion",
        client_secret: "secret: with + and %",
        redirect_uris: redirectUris,
        grant_types: ["authorization_code", "refresh_token"],
      },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: "Ada Lovelace" }),
    }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    features: { revocation: { enabled: true } },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
