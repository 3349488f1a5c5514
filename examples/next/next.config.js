/** What the page needs and no more: Next writes scripts into its pages, and in development evaluates some. */
const scripts = ["'self'", "'unsafe-inline'", "'wasm-unsafe-eval'", ...(process.env.NODE_ENV === "development" ? ["'unsafe-eval'"] : [])];

const policy = `default-src 'none'; script-src ${scripts.join(" ")}; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:`;

export default {
  headers: async () => [{ source: "/:path*", headers: [{ key: "Content-Security-Policy", value: policy }] }],
};
