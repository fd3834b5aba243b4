// The demo's working copy of deploy/demo/ → what stands in it, and changes to it, as a person with
// an editor or the controllers of a cluster would make them. Comments stay. A file is replaced
// whole, by a rename, so that nobody reads half of one.

import { cp, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Document, parseAllDocuments } from "yaml";

export interface PodManifest {
  name: string;
  /** Its label `app`. */
  app: string;
  address: string;
  /** Of its first container. */
  port: number;
}

export interface ServiceManifest {
  name: string;
  clusterIP: string;
  /** The first, as are the following. */
  port: number;
  /** 0 when there is none. */
  nodePort: number;
}

export class Manifests {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Copies the files of `from` to a new directory. */
  static async copy(from: string, to: string): Promise<Manifests> {
    await cp(from, to, { recursive: true, filter: (path) => !path.endsWith(".md") });
    return new Manifests(to);
  }

  async pods(): Promise<PodManifest[]> {
    return (await this.all("Pod")).map(podFrom);
  }

  async services(): Promise<ServiceManifest[]> {
    return (await this.all("Service")).map(serviceFrom);
  }

  /** The Node's name; the demo has one. */
  async nodeName(): Promise<string> {
    return String((await this.all("Node"))[0]?.getIn(["metadata", "name"]));
  }

  /** As `kubectl edit service`: another value of the selector's label `app`. */
  async select(service: string, app: string): Promise<void> {
    await this.change(service, (documents) => {
      for (const document of documents) {
        if (isA(document, "Service")) document.setIn(["spec", "selector", "app"], app);
      }
    });
  }

  /** As Deployment, scheduler and kubelet: `added` exist and are ready, `removed` are gone. */
  async replacePods(app: string, added: PodManifest[], removed: PodManifest[]): Promise<void> {
    await this.change(app, (documents) => {
      const template = documents.find((document) => isA(document, "Pod"));
      if (template === undefined) throw new Error(`${app}.yaml has no Pod to take as a template`);
      const stays = documents.filter(
        (document) => !removed.some(({ name }) => isA(document, "Pod", name)),
      );
      documents.splice(0, documents.length, ...stays, ...added.map(like(template)));
    });
  }

  /** As the API server when Pods are deleted: they are leaving, and finish what they have. */
  async beginDeletion(app: string, pods: PodManifest[], at: Date): Promise<void> {
    await this.change(app, (documents) => {
      for (const document of documents) {
        if (!pods.some(({ name }) => isA(document, "Pod", name))) continue;
        const seconds = at.toISOString().replace(/\.\d+/, "");
        document.setIn(["metadata", "deletionTimestamp"], seconds);
        document.setIn(["metadata", "deletionGracePeriodSeconds"], 30);
      }
    });
  }

  private async all(kind: string): Promise<Document[]> {
    const names = (await readdir(this.directory)).filter((name) => name.endsWith(".yaml")).sort();
    const files = await Promise.all(names.map((name) => this.read(name)));
    return files.flat().filter((document) => isA(document, kind));
  }

  private async read(file: string): Promise<Document[]> {
    const documents = parseAllDocuments(await readFile(join(this.directory, file), "utf8"));
    return Array.isArray(documents) ? documents : [];
  }

  private async change(name: string, edit: (documents: Document[]) => void): Promise<void> {
    const documents = await this.read(`${name}.yaml`);
    edit(documents);
    const path = join(this.directory, `${name}.yaml`);
    const text = documents.map((document) => document.toString({ flowCollectionPadding: false }));
    await writeFile(`${path}.new`, text.join(""));
    await rename(`${path}.new`, path);
  }
}

function isA(document: Document, kind: string, name?: string): boolean {
  if (document.get("kind") !== kind) return false;
  return name === undefined || document.getIn(["metadata", "name"]) === name;
}

function podFrom(document: Document): PodManifest {
  return {
    name: String(document.getIn(["metadata", "name"])),
    app: String(document.getIn(["metadata", "labels", "app"])),
    address: String(document.getIn(["status", "podIP"])),
    port: Number(document.getIn(["spec", "containers", 0, "ports", 0, "containerPort"])),
  };
}

function serviceFrom(document: Document): ServiceManifest {
  return {
    name: String(document.getIn(["metadata", "name"])),
    clusterIP: String(document.getIn(["spec", "clusterIP"])),
    port: Number(document.getIn(["spec", "ports", 0, "port"])),
    nodePort: Number(document.getIn(["spec", "ports", 0, "nodePort"]) ?? 0),
  };
}

function like(template: Document): (pod: PodManifest) => Document {
  return ({ name, address }) => {
    const document = template.clone();
    if (document.contents !== null) document.contents.commentBefore = null;
    document.setIn(["metadata", "name"], name);
    document.setIn(["status", "podIP"], address);
    document.setIn(["status", "podIPs", 0, "ip"], address);
    return document;
  };
}
