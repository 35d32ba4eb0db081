// An OpenID provider that is not ours (npm oidc-provider), set up for the tests: authorization code with PKCE, DPoP, JWT
// access tokens (RFC 9068) for the directory service. Its one page logs in whoever is named, with the key that is named.
// Arguments: the signing key (private JWK) and the audience. It prints its address as one line of JSON.
import { createServer } from 'node:http';
import { Provider, interactionPolicy } from 'oidc-provider';

const [key, audience, redirect] = process.argv.slice(2);
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

// A request for acr_values=AAL3 is met by a new login when the session's was weaker (RFC 9470, the provider's half).
const policy = interactionPolicy.base();
policy.get('login').checks.add(new interactionPolicy.Check('acr', 'a stronger login is asked for', (ctx) => {
  const wanted = (ctx.oidc.params.acr_values ?? '').split(' ').filter(Boolean);
  const held = ctx.oidc.result?.login?.acr ?? ctx.oidc.session.acr;
  return wanted.length > 0 && !wanted.includes(held);
}));

const provider = new Provider(issuer, {
  jwks: { keys: [JSON.parse(key)] },
  cookies: { keys: ['a key of the tests'] },
  acrValues: ['AAL2', 'AAL3'],
  interactions: { policy, url: (_, interaction) => `/login/${interaction.uid}` },
  clients: [{
    client_id: 'case-management',
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    redirect_uris: [redirect],
    response_types: ['code'],
    grant_types: ['authorization_code'],
    id_token_signed_response_alg: 'ES256',
    dpop_bound_access_tokens: true,
  }],
  scopes: ['openid'],
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'directory', audience, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  // The standard leaves it to providers to put these into access tokens (RFC 9068 §2.2.1).
  extraTokenClaims: ({ oidc }) => {
    const code = oidc.entities.AuthorizationCode;
    return { acr: code.acr, amr: code.amr, auth_time: code.authTime };
  },
});

server.on('request', async (request, response) => {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith('/login/')) {
    provider.callback()(request, response);
    return;
  }
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const result = {};
  const strong = request.headers['x-authenticator'] === 'hardware-key';
  if (prompt.name === 'login') {
    const [acr, amr] = strong ? ['AAL3', ['hwk', 'user']] : ['AAL2', ['pwd', 'otp']];
    result.login = { accountId: request.headers['x-person'], acr, amr, remember: false };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope('openid');
    grant.addResourceScope(audience, 'directory');
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
});
console.log(JSON.stringify({ issuer }));
