"""Every text of the pages, in each language, and which of them a trouble gets. Texts only."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT = "en"
TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "lang": "en",
        "consent_title": "Allow access?",
        "consent_question": "An application wants to use this server in your name. Allow it only if you began this "
        "yourself.",
        "fact_client": "Application",
        "fact_redirect": "Sends you to",
        "fact_resource": "Server",
        "fact_duration": "For how long",
        "fact_reference": "Reference",
        "fact_message": "What happened",
        "unnamed_client": "An application without a name",
        "origin_configured": "Known to whoever runs this server.",
        "origin_document": "Describes itself at",
        "origin_registered": "It calls itself so; nobody has verified it.",
        "origin_registered_unnamed": "Nobody has verified it.",
        "redirect_web": "A website gets the access.",
        "redirect_loopback": "A program on this computer gets the access.",
        "redirect_private": "An application on this computer gets the access.",
        "unverified": "Any application can use this name. Look at where it sends you.",
        "unverified_unnamed": "Any application can ask like this. Look at where it sends you.",
        "warning_loopback": "Any program on this computer could be waiting there.",
        "warning_private": "Any application on this computer can claim this address.",
        "scopes": "It will be able to",
        "scopes_limit": "It never gets more than your account may do.",
        "no_scopes": "It will be able to use this server's tools in your name.",
        "duration_minutes": "{count} minutes at a time; it has to ask again",
        "duration_days": "Up to {count} days, unless whoever runs this server ends it sooner",
        "duration_hours": "Up to {count} hours, unless whoever runs this server ends it sooner",
        "duration_most_minutes": "Up to {count} minutes, unless whoever runs this server ends it sooner",
        "allow": "Allow",
        "deny": "Deny",
        "next_github": "If you allow it, you log in at {host} next. This server never sees your password.",
        "next_oidc": "If you allow it, you log in at {host} next. This server never sees your password.",
        "next_local": "If you allow it, you log in here next.",
        "login_title": "Log in",
        "login_purpose": "You have allowed the access. Say who you are, and you are sent back to the application.",
        "login_footer": "This login is for development on this computer alone.",
        "username": "User name",
        "password": "Passphrase",
        "login": "Log in",
        "login_failed": "User name or passphrase is wrong. Please try again.",
        "trouble_stale": "This page is not valid any longer",
        "advice_stale": "It was used before, is older than ten minutes, or was opened in another browser. Go back to "
        "the application and begin again.",
        "trouble_client": "This application cannot connect",
        "advice_client": "It has asked in a way that is not safe to answer, so you are sent nowhere. Nothing was "
        "allowed. Its author can tell what to change from the lines below.",
        "trouble_gone": "This server does not know the application any longer",
        "advice_gone": "Its registration was not used for too long, or was never used, and nothing was allowed. In "
        "the application, remove what it has stored of this server (log out, or clear the authentication), and "
        "connect again.",
        "trouble_later": "This application cannot be looked up now",
        "advice_later": "Its description could not be fetched from the host that has it, and nothing was allowed. Wait "
        "a minute, go back to the application and begin again. If it stays like this, tell whoever runs this server, "
        "with the reference.",
        "trouble_request": "This application cannot connect",
        "advice_request": "It has asked in a way that this server does not accept. Nothing was allowed. Its author can "
        "tell what to change from the lines below.",
        "back_unverified": "Nobody has verified this application. Go back to it only if you began this yourself and "
        "know the address below.",
        "trouble_provider": "The login does not answer",
        "advice_provider": "You were not logged in, and nothing was allowed. Wait a moment, go back to the "
        "application and begin again. If it stays like this, tell whoever runs this server, with the reference.",
        "trouble_settings": "The login is not set up right",
        "advice_settings": "You cannot mend this yourself, and nothing was allowed. Tell whoever runs this server, "
        "with the reference: the log says more.",
        "trouble_login": "The login did not succeed",
        "advice_login": "Nothing was allowed. Go back to the application and begin again. If it happens again, "
        "tell whoever runs this server, with the reference.",
        "trouble_busy": "The server cannot answer now",
        "advice_busy": "Nothing was allowed. Wait a moment, go back to the application and begin again.",
        "trouble_other": "This did not work",
        "advice_other": "Nothing was allowed. Go back to the application and begin again.",
        "trouble_back": "Back to the application",
        "trouble_footer": "You can close this page.",
        "scope_tools": "use the tools",
        "scope_prompts": "use the prompts",
        "scope_resources": "read the resources",
        "scope_read": "read",
        "scope_write": "change things",
        "scope_admin": "administer",
        "scope_delete": "delete",
        "scope_profile": "see who you are",
        "scope_email": "see your mail address",
    },
    "zh": {
        "lang": "zh-Hans",
        "consent_title": "是否允许访问？",
        "consent_question": "有一个应用想以您的名义使用此服务器。只有在您本人发起此操作时才应允许。",
        "fact_client": "应用",
        "fact_redirect": "将跳转到",
        "fact_resource": "服务器",
        "fact_duration": "有效期",
        "fact_reference": "参考编号",
        "fact_message": "发生的情况",
        "unnamed_client": "未命名的应用",
        "origin_configured": "已由此服务器的管理员登记。",
        "origin_document": "其自述位于",
        "origin_registered": "名称由应用自行填写，未经任何人核实。",
        "origin_registered_unnamed": "未经任何人核实。",
        "redirect_web": "访问权限将交给一个网站。",
        "redirect_loopback": "访问权限将交给本机上的一个程序。",
        "redirect_private": "访问权限将交给本机上的一个应用。",
        "unverified": "任何应用都可以使用这个名称，请核对跳转地址。",
        "unverified_unnamed": "任何应用都可以这样请求，请核对跳转地址。",
        "warning_loopback": "本机上的任何程序都可能在该地址等待。",
        "warning_private": "本机上的任何应用都可以占用该地址。",
        "scopes": "它将可以",
        "scopes_limit": "它得到的权限不会超过您的账号所拥有的权限。",
        "no_scopes": "它将可以以您的名义使用此服务器的工具。",
        "duration_minutes": "每次 {count} 分钟，之后必须重新请求",
        "duration_days": "最长 {count} 天，此服务器的管理员可提前终止",
        "duration_hours": "最长 {count} 小时，此服务器的管理员可提前终止",
        "duration_most_minutes": "最长 {count} 分钟，此服务器的管理员可提前终止",
        "allow": "允许",
        "deny": "拒绝",
        "next_github": "允许后，您将前往 {host} 登录。此服务器不会看到您的密码。",
        "next_oidc": "允许后，您将前往 {host} 登录。此服务器不会看到您的密码。",
        "next_local": "允许后，您将在此处登录。",
        "login_title": "登录",
        "login_purpose": "您已允许访问。请确认您的身份，随后将返回应用。",
        "login_footer": "此登录方式仅用于本机上的开发。",
        "username": "用户名",
        "password": "口令",
        "login": "登录",
        "login_failed": "用户名或口令不正确，请重试。",
        "trouble_stale": "此页面已失效",
        "advice_stale": "它已被使用、已超过十分钟，或是在另一个浏览器中打开的。请返回应用重新开始。",
        "trouble_client": "此应用无法连接",
        "advice_client": "它的请求方式不安全，因此不会跳转到任何地方，也没有授予任何权限。"
        "应用的作者可根据下面的信息进行修改。",
        "trouble_gone": "此服务器已不再认识该应用",
        "advice_gone": "它的注册长期未使用或从未使用过，也没有授予任何权限。"
        "请在应用中删除它为此服务器保存的登录信息（退出登录或清除认证），然后重新连接。",
        "trouble_later": "暂时无法查询此应用",
        "advice_later": "未能从存放该应用说明的主机获取其说明，没有授予任何权限。请稍候一分钟，返回应用重新开始。"
        "如果问题持续存在，请将参考编号告知此服务器的管理员。",
        "trouble_request": "此应用无法连接",
        "advice_request": "它的请求方式不被此服务器接受，没有授予任何权限。应用的作者可根据下面的信息进行修改。",
        "back_unverified": "此应用未经任何人核实。只有在您本人发起此操作并认识下面的地址时，才应返回应用。",
        "trouble_provider": "登录服务没有响应",
        "advice_provider": "您没有登录，也没有授予任何权限。请稍候，返回应用重新开始。"
        "如果问题持续存在，请将参考编号告知此服务器的管理员。",
        "trouble_settings": "登录服务配置有误",
        "advice_settings": "您自己无法解决此问题，也没有授予任何权限。"
        "请将参考编号告知此服务器的管理员，日志中有更多信息。",
        "trouble_login": "登录未成功",
        "advice_login": "没有授予任何权限。请返回应用重新开始。如果再次出现，请将参考编号告知此服务器的管理员。",
        "trouble_busy": "服务器暂时无法响应",
        "advice_busy": "没有授予任何权限。请稍候，返回应用重新开始。",
        "trouble_other": "操作未成功",
        "advice_other": "没有授予任何权限。请返回应用重新开始。",
        "trouble_back": "返回应用",
        "trouble_footer": "您可以关闭此页面。",
        "scope_tools": "使用工具",
        "scope_prompts": "使用提示",
        "scope_resources": "读取资源",
        "scope_read": "读取",
        "scope_write": "修改内容",
        "scope_admin": "管理",
        "scope_delete": "删除",
        "scope_profile": "查看您的身份",
        "scope_email": "查看您的邮箱地址",
    },
}
_KINDS = {
    "stale": "authorization_ login_state_ login_of_another_browser csrf_wrong origin_wrong request_malformed callback_",
    "gone": "client_gone",
    "later": "client_document_unavailable",
    "client": "client_ redirect_",
    "request": "invalid_ unsupported_ unauthorized_ interaction_ request_not_ request_uri_",
    "provider": "provider_unreachable provider_metadata_wrong",
    "settings": "provider_settings_wrong login_secret_unavailable",
    "login": "provider_ id_token_ userinfo_",
    "busy": "storage_unavailable keys_unavailable",
}


def trouble_of(reason: str) -> str:
    """Which of the troubles above a reason is."""
    for kind, beginnings in _KINDS.items():
        if reason.startswith(tuple(beginnings.split())):
            return kind
    return "other"
