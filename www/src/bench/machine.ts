// What is this machine, as far as a browser tells?

/** Each with what it is called in the report; a browser that does not tell leaves it out. */
export type Facts = [label: string, value: string][];

/** What Chromium tells beside its user agent, where a page asks. */
interface AgentData {
  getHighEntropyValues(hints: string[]): Promise<{ architecture?: string; bitness?: string; platform?: string; platformVersion?: string; fullVersionList?: { brand: string; version: string }[] }>;
}

interface Adapter {
  info: GpuInfo;
  features: ReadonlySet<string>;
  limits: { maxBufferSize: number; maxStorageBufferBindingSize: number; maxComputeWorkgroupStorageSize: number };
  isFallbackAdapter?: boolean;
}

interface GpuInfo {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
  isFallbackAdapter?: boolean;
}

interface Place {
  deviceMemory?: number;
  userAgentData?: AgentData;
  gpu?: { requestAdapter(options: { powerPreference: "high-performance" }): Promise<Adapter | null> };
}

/** As lines of a report, the values below each other. */
export function table(rows: Facts): string[] {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
}

const FEATURES = ["shader-f16", "subgroups", "timestamp-query"];

export async function machineFacts(adapter: Adapter | string): Promise<Facts> {
  const { deviceMemory } = navigator as Place;
  const facts: Facts = [...(await browserFacts()), ["cores", String(navigator.hardwareConcurrency)]];
  // Browsers round it and tell no more than some bound.
  if (deviceMemory !== undefined) facts.push(["memory", `about ${deviceMemory} GB, or more`]);
  facts.push(["isolated", crossOriginIsolated ? "yes" : "no"], ["adapter", typeof adapter === "string" ? `none: ${adapter}` : adapterName(adapter)]);
  if (typeof adapter !== "string") facts.push(["adapter has", adapterParts(adapter)]);
  return facts;
}

/** The adapter that the package asks for too, or why there is none. */
export async function findAdapter(): Promise<Adapter | string> {
  const { gpu } = navigator as Place;
  if (gpu === undefined) return "this browser has no WebGPU, or the page is not a secure context";
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  return adapter ?? "the browser offers no WebGPU adapter";
}

export async function browserFacts(): Promise<Facts> {
  const asked = ["architecture", "bitness", "platformVersion", "fullVersionList"];
  const told = await (navigator as Place).userAgentData?.getHighEntropyValues(asked).catch(() => undefined);
  if (told === undefined) return [["browser", navigator.userAgent]];
  const { architecture = "", bitness, platform = "", platformVersion = "", fullVersionList = [] } = told;
  const brands = fullVersionList.filter(({ brand }) => !/not.*brand/i.test(brand)).map(({ brand, version }) => `${brand} ${version}`);
  const bits = bitness ? `, ${bitness} bits` : "";
  return [["browser", brands.join(", ")], ["system", `${platform} ${platformVersion}`.trim()], ["architecture", `${architecture}${bits}`]];
}

export function adapterName({ info, isFallbackAdapter }: Adapter): string {
  const { vendor, architecture, device, description } = info;
  const isSoftware = info.isFallbackAdapter ?? isFallbackAdapter ?? false;
  return `${[vendor, architecture, device, description].filter(Boolean).join(" ")}${isSoftware ? " (in software)" : ""}`;
}

function adapterParts({ features, limits }: Adapter): string {
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = limits;
  const there = FEATURES.map((name) => `${features.has(name) ? "" : "no "}${name}`);
  const buffer = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  return [...there, `buffers of ${Math.round(buffer / 1e6)} MB`, `workgroups of ${maxComputeWorkgroupStorageSize / 1024} KiB`].join(", ");
}
