"""What a Kubernetes manifest for Ray may say: JSON Schemas of the parts of the KubeRay objects that we use.

Field names, types and enumerations are those of the custom resource definitions of KubeRay 1.7.0 (ray.io/v1, the files
`ray.io_rayclusters.yaml` and `ray.io_rayjobs.yaml` in `ray-operator/config/crd/bases`), without any field left out; no Python
package ships them. Pods, services and the rest of Kubernetes' own objects are checked by the API server (`kubectl apply
--dry-run=server`), here only for what DreamGrid relies on. Counts are at least zero and a RayJob has an entry point, which the
definitions leave open.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]


def _object(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_STRINGS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
_ANY: Final[Schema] = {"type": "object"}

POD_TEMPLATE: Final[Schema] = _object(
    {
        "metadata": _ANY,
        "spec": {
            "type": "object",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "object", "required": ["name", "image"]},
                }
            },
        },
    },
    ("spec",),
)

_WORKER_GROUP: Final[Schema] = _object(
    {
        "groupName": _TEXT,
        "replicas": _COUNT,
        "minReplicas": _COUNT,
        "maxReplicas": _COUNT,
        "numOfHosts": {"type": "integer", "minimum": 1},
        "idleTimeoutSeconds": _COUNT,
        "priority": {"type": "integer"},
        "suspend": {"type": "boolean"},
        "labels": _STRINGS,
        "resources": _STRINGS,
        "rayStartParams": _STRINGS,
        "template": POD_TEMPLATE,
        "scaleStrategy": _ANY,
    },
    ("groupName", "minReplicas", "maxReplicas", "template"),
)

RAY_CLUSTER_SPEC: Final[Schema] = _object(
    {
        "rayVersion": _TEXT,
        "enableInTreeAutoscaling": {"type": "boolean"},
        "autoscalerOptions": _object(
            {
                "version": {"enum": ["v1", "v2"]},
                "upscalingMode": {"enum": ["Default", "Aggressive", "Conservative"]},
                "idleTimeoutSeconds": _COUNT,
                "image": _TEXT,
                "imagePullPolicy": _TEXT,
                "command": {"type": "array", "items": {"type": "string"}},
                "args": {"type": "array", "items": {"type": "string"}},
                "env": {"type": "array"},
                "envFrom": {"type": "array"},
                "resources": _ANY,
                "securityContext": _ANY,
                "volumeMounts": {"type": "array"},
            }
        ),
        "authOptions": _object(
            {"mode": {"enum": ["token", "disabled"]}, "secretName": _TEXT, "enableK8sTokenAuth": {"type": "boolean"}}
        ),
        "tlsOptions": _ANY,
        "networkPolicy": _ANY,
        "gcsFaultToleranceOptions": _object(
            {
                "backend": {"enum": ["redis", "rocksdb"]},
                "redisAddress": _TEXT,
                "redisUsername": _ANY,
                "redisPassword": _ANY,
                "externalStorageNamespace": _TEXT,
                "storage": _ANY,
            }
        ),
        "headGroupSpec": _object(
            {
                "rayStartParams": _STRINGS,
                "template": POD_TEMPLATE,
                "serviceType": _TEXT,
                "headService": _ANY,
                "enableIngress": {"type": "boolean"},
                "ingressOptions": _ANY,
                "labels": _STRINGS,
                "resources": _STRINGS,
            },
            ("template",),
        ),
        "workerGroupSpecs": {"type": "array", "items": _WORKER_GROUP},
        "headServiceAnnotations": _STRINGS,
        "historyServerOptions": _ANY,
        "upgradeStrategy": _object({"type": {"enum": ["Recreate", "None"]}}),
        "suspend": {"type": "boolean"},
        "managedBy": _TEXT,
    },
    ("headGroupSpec",),
)

RAY_JOB_SPEC: Final[Schema] = _object(
    {
        "entrypoint": _TEXT,
        "entrypointNumCpus": {"type": "number", "minimum": 0},
        "entrypointNumGpus": {"type": "number", "minimum": 0},
        "entrypointResources": _TEXT,
        "runtimeEnvYAML": _TEXT,
        "jobId": _TEXT,
        "metadata": _STRINGS,
        "rayClusterSpec": RAY_CLUSTER_SPEC,
        "clusterSelector": _STRINGS,
        "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        "submitterPodTemplate": _ANY,
        "submitterConfig": _object({"backoffLimit": _COUNT}),
        "shutdownAfterJobFinishes": {"type": "boolean"},
        "ttlSecondsAfterFinished": _COUNT,
        "backoffLimit": _COUNT,
        "activeDeadlineSeconds": _COUNT,
        "preRunningDeadlineSeconds": {"type": "integer", "minimum": 1},
        "deletionStrategy": _ANY,
        "suspend": {"type": "boolean"},
        "managedBy": _TEXT,
    },
    ("entrypoint",),
)

SPEC_BY_KIND: Final[dict[str, Schema]] = {"RayCluster": RAY_CLUSTER_SPEC, "RayJob": RAY_JOB_SPEC}
