"""What a Kubernetes manifest for Ray may say: JSON Schemas of the parts of the KubeRay objects that we use.

Field names and types follow the custom resource definitions of the KubeRay operator (ray.io/v1); pods, services and the rest of
Kubernetes' own objects are checked by the API server (`kubectl apply --dry-run=server`), here only for what DreamGrid relies on.
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
            }
        ),
        "headGroupSpec": _object(
            {
                "rayStartParams": _STRINGS,
                "template": POD_TEMPLATE,
                "serviceType": _TEXT,
                "headService": _ANY,
                "enableIngress": {"type": "boolean"},
                "labels": _STRINGS,
                "resources": _STRINGS,
            },
            ("template",),
        ),
        "workerGroupSpecs": {"type": "array", "items": _WORKER_GROUP},
        "headServiceAnnotations": _STRINGS,
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
        "preRunningDeadlineSeconds": _COUNT,
        "deletionStrategy": _ANY,
        "suspend": {"type": "boolean"},
        "managedBy": _TEXT,
    },
    ("entrypoint",),
)

SPEC_BY_KIND: Final[dict[str, Schema]] = {"RayCluster": RAY_CLUSTER_SPEC, "RayJob": RAY_JOB_SPEC}
