"""The permissions and roles that every Orion has."""

from dataclasses import dataclass

from orion_user.permissions.rules import PermissionScope

USERS, ROLE_MANAGEMENT, PERMISSION_MANAGEMENT, CONTENT, SYSTEM = (
    "User Management",
    "Role Management",
    "Permission Management",
    "Content Management",
    "System Management",
)


DECISIONS = "Decisions"
ACCOUNTS = "Account Management"
API_KEYS = "API Key Management"
MESSAGES, TEMPLATES, DELIVERY = "Message Management", "Template Management", "Delivery Management"
API_KEYS_ADMIN = ("api_key:read", "api_key:revoke")
NOTIFICATIONS_ADMIN = (
    "notification:read",
    "notification:send",
    "notification:update",
    "notification_rule:read",
    "notification_rule:create",
    "notification_rule:update",
    "notification_rule:delete",
    "suppression:read",
    "suppression:update",
    "template:read",
    "template:create",
    "template:update",
    "template:publish",
    "template:delete",
    "provider:read",
)


@dataclass(frozen=True)
class ReferencePermission:
    """A permission as it is first written; `scope` is the widest it may be granted at."""

    resource: str
    action: str
    category: str
    description: str
    scope: PermissionScope = PermissionScope.GLOBAL

    @property
    def name(self) -> str:
        """`resource:action`."""
        return f"{self.resource}:{self.action}"


@dataclass(frozen=True)
class ReferenceRole:
    """A role as it is first written, with what it adds to the parent that it inherits from."""

    name: str
    display_name: str
    description: str
    parent: str | None
    permissions: tuple[str, ...]


PERMISSIONS = (
    ReferencePermission("user", "create", USERS, "Create users"),
    ReferencePermission("user", "read", USERS, "Read users' profiles, as far as their privacy settings allow"),
    ReferencePermission("user", "update", USERS, "Change users' profiles"),
    ReferencePermission("user", "delete", USERS, "Delete users, and restore them"),
    ReferencePermission("user", "suspend", USERS, "Suspend users, and lift suspensions"),
    ReferencePermission("role", "create", ROLE_MANAGEMENT, "Create roles"),
    ReferencePermission("role", "read", ROLE_MANAGEMENT, "Read roles and what they allow"),
    ReferencePermission("role", "update", ROLE_MANAGEMENT, "Change roles, their permissions and their inheritance"),
    ReferencePermission("role", "delete", ROLE_MANAGEMENT, "Delete roles"),
    ReferencePermission("role", "assign", ROLE_MANAGEMENT, "Assign roles to users, and end assignments"),
    ReferencePermission("permission", "read", PERMISSION_MANAGEMENT, "Read which permissions there are"),
    ReferencePermission("permission", "grant", PERMISSION_MANAGEMENT, "Allow or deny a user something past all roles"),
    ReferencePermission("permission", "revoke", PERMISSION_MANAGEMENT, "End what was granted past all roles"),
    ReferencePermission("access", "read", DECISIONS, "Ask what others may do, and why"),
    ReferencePermission("content", "create", CONTENT, "Create content"),
    ReferencePermission("content", "read", CONTENT, "Read content"),
    ReferencePermission("content", "update", CONTENT, "Change content"),
    ReferencePermission("content", "delete", CONTENT, "Delete content"),
    ReferencePermission("content", "publish", CONTENT, "Publish content, and take it back"),
    ReferencePermission("system", "read", SYSTEM, "See the state of the services"),
    ReferencePermission("system", "audit", SYSTEM, "Search and export the audit trail"),
    ReferencePermission("system", "configure", SYSTEM, "Change settings of the services"),
    ReferencePermission("security_event", "read", ACCOUNTS, "See everybody's sign-ins, and what was tried at accounts"),
    ReferencePermission("account", "recover", ACCOUNTS, "Unlock accounts, ask for second factors and reset lost ones"),
    ReferencePermission("api_key", "read", API_KEYS, "See everybody's API keys, but for their secrets"),
    ReferencePermission("api_key", "create", API_KEYS, "Make API keys for services"),
    ReferencePermission("api_key", "update", API_KEYS, "Change everybody's API keys"),
    ReferencePermission("api_key", "revoke", API_KEYS, "End everybody's API keys"),
    ReferencePermission("notification", "read", MESSAGES, "See everybody's messages, and why they went out or did not"),
    ReferencePermission("notification", "send", MESSAGES, "Send messages"),
    ReferencePermission("notification", "update", MESSAGES, "Cancel, reschedule and retry messages"),
    ReferencePermission("notification_rule", "read", MESSAGES, "See which messages follow from what, and how many go"),
    ReferencePermission("notification_rule", "create", MESSAGES, "Have messages follow from events"),
    ReferencePermission("notification_rule", "update", MESSAGES, "Change which messages follow, and how many go"),
    ReferencePermission("notification_rule", "delete", MESSAGES, "Have messages no longer follow from events"),
    ReferencePermission("suppression", "read", MESSAGES, "See whether an address is suppressed, and consents"),
    ReferencePermission("suppression", "update", MESSAGES, "Suppress addresses, and let them be written to again"),
    ReferencePermission("template", "read", TEMPLATES, "Read templates and their versions"),
    ReferencePermission("template", "create", TEMPLATES, "Create templates"),
    ReferencePermission("template", "update", TEMPLATES, "Write versions of templates"),
    ReferencePermission("template", "publish", TEMPLATES, "Publish versions of templates, and go back to earlier ones"),
    ReferencePermission("template", "delete", TEMPLATES, "Delete templates"),
    ReferencePermission("provider", "read", DELIVERY, "See by which providers messages go, and how these are doing"),
    ReferencePermission("provider", "configure", DELIVERY, "Change by which providers messages go, and their secrets"),
)

ROLES = (
    ReferenceRole("guest", "Guest", "Reads published content", None, ("content:read",)),
    ReferenceRole(
        "user", "User", "Reads what everybody may read", "guest", ("user:read", "role:read", "permission:read")
    ),
    ReferenceRole(
        "editor",
        "Editor",
        "Manages content",
        "user",
        ("content:create", "content:update", "content:delete", "content:publish"),
    ),
    ReferenceRole(
        "moderator",
        "Moderator",
        "Manages users and content",
        "editor",
        ("user:create", "user:update", "user:delete", "user:suspend"),
    ),
    ReferenceRole(
        "admin",
        "Admin",
        "Manages everything but grants past roles and settings of the services",
        "moderator",
        (
            "role:create",
            "role:update",
            "role:delete",
            "role:assign",
            "access:read",
            "system:read",
            "system:audit",
            "security_event:read",
            *API_KEYS_ADMIN,
            *NOTIFICATIONS_ADMIN,
        ),
    ),
    ReferenceRole(
        "super_admin",
        "Super Admin",
        "May do everything",
        "admin",
        (
            "permission:grant",
            "permission:revoke",
            "system:configure",
            "account:recover",
            "api_key:create",
            "api_key:update",
            "provider:configure",
        ),
    ),
)
"""The least first: each inherits from the one before it, so what stands here is only what a role adds."""
